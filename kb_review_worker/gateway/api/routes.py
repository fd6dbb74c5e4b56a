"""REST for other front ends: OpenAPI at `/api/openapi.json`.

Whoever asks is who the token says. A request has an `Idempotency-Key`: sent again, also with a fresh token, it gets the same receipt and
has no second effect. 202 says that the review has not answered yet: the request is kept and will be delivered; ask again with its key.
"""

import hashlib
from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from kb_contracts.decisions import Claim, Note, Reassignment, ReviewDecision, Reviewer
from kb_review_worker.gateway.api.messages import Accepted, Case, CaseList, Decide, Reassign, Remark, described, summary
from kb_review_worker.gateway.deliveries import AnotherRequest
from kb_review_worker.gateway.identity.oidc import TokenRefused
from kb_review_worker.gateway.problems import Problem, of_refusal
from kb_review_worker.gateway.reviews import Request as ReviewRequest
from kb_review_worker.gateway.services import Services, ServicesOf, address_of

router = APIRouter(prefix="/api/v1", tags=["cases"], responses={
    401: {"description": "No valid token"}, 403: {"description": "Not for this person"}, 404: {"description": "No such case"},
    409: {"description": "Too late or about another version: `refusal`, `decided_by`, `ended_at` say why"},
})


async def _person(request: Request, services: ServicesOf) -> Reviewer:
    try:
        return await services.identity.of_header(request.headers.get("authorization", ""))
    except TokenRefused as error:
        await services.trail.denied("token", address_of(request))
        raise Problem(401, "Who are you?", str(error), headers={"WWW-Authenticate": "Bearer"}) from None


PersonOf = Annotated[Reviewer, Depends(_person)]
Key = Annotated[str, Header(alias="Idempotency-Key", min_length=8, max_length=128, pattern=r"^[\x21-\x7e]+$")]


@router.get("/cases")
async def list_cases(
    services: ServicesOf, person: PersonOf, knowledge_base: str | None = None, kind: str | None = None, case: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
    status: Literal["waiting", "ended", "all"] = "waiting", mine: bool = False, escalated: bool = False, page: Annotated[int, Query(ge=1, le=10_000)] = 1,
) -> CaseList:
    """List the cases of your roles."""
    wanted = services.sees(person, status=status, knowledge_base=knowledge_base, kind=kind, case=case, overdue=escalated,
                           assignee=(person.issuer, person.id) if mine else None)
    return CaseList(cases=[summary(task) for task in await services.tasks.found(wanted, page)], total=await services.tasks.count(wanted))


@router.get("/cases/{task_id}")
async def read_case(task_id: int, request: Request, services: ServicesOf, person: PersonOf) -> Case:
    """Read a case: what is decided about, and how the review stands."""
    task = await services.task(task_id, person, address_of(request))
    state = await services.reviews.state(task.review_id)
    return described(task, asdict(await services.tasks.content(task_id)), list(state.notes) if state else None)


@router.post("/cases/{task_id}/decision", responses={202: {"model": Accepted}})
async def decide(task_id: int, sent: Decide, key: Key, services: ServicesOf, person: PersonOf, response: Response) -> Accepted:
    """Decide a case."""
    event_id = event_id_of(person, key)
    decision = ReviewDecision(event_id=event_id, verdict=sent.verdict, reviewer=person, digest=sent.digest, reason=sent.reason)
    return await _submit(services, task_id, decision, response)


@router.post("/cases/{task_id}/claim", responses={202: {"model": Accepted}})
async def claim(task_id: int, key: Key, services: ServicesOf, person: PersonOf, response: Response) -> Accepted:
    """Take a case, for others to see. They can decide it nevertheless."""
    return await _submit(services, task_id, Claim(event_id=event_id_of(person, key), reviewer=person), response)


@router.post("/cases/{task_id}/reassignment", responses={202: {"model": Accepted}})
async def reassign(task_id: int, sent: Reassign, key: Key, services: ServicesOf, person: PersonOf, response: Response) -> Accepted:
    """Give a case to somebody else, or back to all."""
    to = Reviewer(id=sent.to, issuer=person.issuer) if sent.to else None
    return await _submit(services, task_id, Reassignment(event_id=event_id_of(person, key), reviewer=person, to=to), response)


@router.post("/cases/{task_id}/notes", responses={202: {"model": Accepted}})
async def add_note(task_id: int, sent: Remark, key: Key, services: ServicesOf, person: PersonOf, response: Response) -> Accepted:
    """Add a remark."""
    return await _submit(services, task_id, Note(event_id=event_id_of(person, key), reviewer=person, text=sent.text), response)


def event_id_of(person: Reviewer, key: str) -> str:
    """Return the id of somebody's request: nobody meets, or occupies, another's."""
    return f"api/{hashlib.sha256(f'{person.issuer} {person.id}'.encode()).hexdigest()[:16]}/{key}"


async def _submit(services: Services, task_id: int, request: ReviewRequest, response: Response) -> Accepted:
    task = await services.asked_about(task_id)
    try:
        answer = await services.deliveries.submit("api", task.review_id, request)
    except AnotherRequest:
        raise Problem(409, "Another request has this Idempotency-Key", "each request has a key of its own") from None
    if answer is None:
        response.status_code = 202
        response.headers["Retry-After"] = "5"
        return Accepted(event_id=request.event_id, receipt=None)
    if answer.state == "refused":
        raise of_refusal(answer)
    return Accepted(event_id=request.event_id, receipt=answer.receipt)
