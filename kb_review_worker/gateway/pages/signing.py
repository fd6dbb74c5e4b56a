"""Signs a draft: from here on the decision is kept, and will reach its review whatever stops meanwhile."""

from starlette.responses import RedirectResponse, Response

from kb_contracts.decisions import ReviewDecision, Reviewer
from kb_review_worker.gateway.deliveries import AnotherRequest
from kb_review_worker.gateway.problems import Problem
from kb_review_worker.gateway.services import Services
from kb_review_worker.storage.sessions import Draft
from kb_review_worker.storage.task_lists import Task


async def sign(services: Services, task: Task, draft: Draft, person: Reviewer) -> Response:
    """Send the decision to its review, and show what became of it. The same draft, signed twice, is the same decision."""
    decision = ReviewDecision(event_id=f"page/{draft.id}", verdict=draft.verdict, reviewer=person, digest=task.digest, reason=draft.reason)
    try:
        await services.deliveries.submit("page", task.review_id, decision)
    except AnotherRequest:
        raise Problem(409, "Signed already", "by another person or otherwise: nothing was decided now") from None
    return RedirectResponse(f"/cases/{task.task_id}/receipts/{draft.id}", 303)
