"""The inbox: the list, one case, its trail, and what can be asked of a review without a signature."""

import asyncio
import secrets

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from kb_contracts.decisions import Claim, Note, Reassignment, Reviewer
from kb_review_worker.gateway.deliveries import AnotherRequest
from kb_review_worker.gateway.pages.diff import compare
from kb_review_worker.gateway.pages.rendering import page
from kb_review_worker.gateway.pages.signed_in import FormOf, SessionOf, field
from kb_review_worker.gateway.problems import Problem, of_refusal
from kb_review_worker.gateway.reviews import Request as ReviewRequest
from kb_review_worker.gateway.services import Services, ServicesOf, address_of
from kb_review_worker.storage.sessions import Session
from kb_review_worker.storage.task_lists import PAGE, Task

router = APIRouter(include_in_schema=False)
STATUSES = ("waiting", "ended", "all")
LONGEST_ID = 255


@router.get("/")
async def list_cases(
    request: Request, services: ServicesOf, session: SessionOf, status: str = "waiting", knowledge_base: str = "", kind: str = "", only: str = "",
    number: int = 1,
) -> Response:
    """List the cases of one's roles."""
    person, status, number = session.person, status if status in STATUSES else "waiting", min(max(number, 1), 10_000)
    filters = {"knowledge_base": knowledge_base or None, "kind": kind or None}
    me = (person.issuer, person.id)
    wanted = services.sees(person, status=status, overdue=only == "escalated", assignee=me if only == "mine" else None, **filters)
    tasks, total = await services.tasks.found(wanted, number), await services.tasks.count(wanted)
    counts = {
        "waiting": await services.tasks.count(services.sees(person)), "escalated": await services.tasks.count(services.sees(person, overdue=True)),
        "mine": await services.tasks.count(services.sees(person, assignee=me)),
    }
    chosen = {"status": status, "knowledge_base": knowledge_base, "kind": kind, "only": only, "number": number}
    return page(request, "list", session=session, tasks=tasks, total=total, counts=counts, chosen=chosen, statuses=STATUSES,
                choices=await services.tasks.choices(wanted), pages=max(1, -(-total // PAGE)))


@router.get("/cases/{task_id}")
async def show_case(task_id: int, request: Request, services: ServicesOf, session: SessionOf) -> Response:
    """Show a case."""
    task = await services.task(task_id, session.person, address_of(request))
    return await case_page(request, services, session, task)


async def case_page(request: Request, services: Services, session: Session, task: Task, *, status: int = 200, error: str = "", reason: str = "") -> Response:
    """Return the page of a case: what is decided about, beside what stood there before."""
    content, state = await asyncio.gather(services.tasks.content(task.task_id), services.reviews.state(task.review_id))
    lines = await asyncio.to_thread(compare, content.previous, content.material) if content.previous else None
    person = session.person
    may_decide = bool(set(person.roles) & set(task.roles))
    is_author = person.id.casefold() in {author.casefold() for author in task.authors}
    return page(
        request, "case", status, session=session, task=task, content=content, state=state, lines=lines, error=error, reason=reason, may_decide=may_decide,
        is_author=is_author, key=secrets.token_urlsafe(16), colleagues=_colleagues(services, task, person),
    )


def _colleagues(services: Services, task: Task, person: Reviewer) -> list[Reviewer]:
    known = services.identity.local.people() if services.identity.local else []
    return [each for each in known if set(each.roles) & set(task.roles) and each.id != person.id]


@router.get("/cases/{task_id}/trail")
async def show_trail(task_id: int, request: Request, services: ServicesOf, session: SessionOf) -> Response:
    """Show the case's rows of the audit trail."""
    task = await services.task(task_id, session.person, address_of(request))
    return page(request, "trail", session=session, task=task, rows=await services.tasks.trail(task.knowledge_base, task.case_id))


@router.post("/cases/{task_id}/claim")
async def claim(task_id: int, services: ServicesOf, session: SessionOf, form: FormOf) -> Response:
    """Take a case."""
    return await _ask(services, task_id, Claim(event_id=_event(form), reviewer=session.person))


@router.post("/cases/{task_id}/reassign")
async def reassign(task_id: int, services: ServicesOf, session: SessionOf, form: FormOf) -> Response:
    """Give a case to somebody else; to nobody: release it."""
    named = field(form, "to")
    to = _named(services, session.person, named) if named else None
    return await _ask(services, task_id, Reassignment(event_id=_event(form), reviewer=session.person, to=to))


def _named(services: Services, person: Reviewer, name: str) -> Reviewer:
    if services.identity.local is None and len(name) <= LONGEST_ID:
        return Reviewer(id=name, issuer=person.issuer)
    known = services.identity.local.people() if services.identity.local else []
    if found := next((each for each in known if each.id == name), None):
        return found
    raise Problem(422, "Nobody of that name", "choose somebody by their id, as the page offers it")


@router.post("/cases/{task_id}/notes")
async def add_note(task_id: int, services: ServicesOf, session: SessionOf, form: FormOf) -> Response:
    """Add a remark."""
    text = field(form, "text")
    if not text or len(text) > 10_000:
        raise Problem(422, "A note needs a text", "of 10000 characters at most")
    return await _ask(services, task_id, Note(event_id=_event(form), reviewer=session.person, text=text))


def _event(form: FormOf) -> str:
    key = field(form, "key")
    if not (16 <= len(key) <= 64 and key.isascii() and key.isprintable()):
        raise Problem(422, "This form is not complete", "load the page again")
    return f"page/{key}"


async def _ask(services: Services, task_id: int, request: ReviewRequest) -> Response:
    task = await services.asked_about(task_id)
    try:
        answer = await services.deliveries.submit("page", task.review_id, request)
    except AnotherRequest:
        raise Problem(409, "Sent already", "this form was sent before, with another content: load the page again") from None
    if answer is None:
        raise Problem(202, "On its way", "the review has not answered yet; the request is kept and will be delivered", action=f"/cases/{task_id}")
    if answer.state == "refused":
        refusal = of_refusal(answer)
        refusal.more["action"] = f"/cases/{task_id}"
        raise refusal
    return RedirectResponse(f"/cases/{task_id}", 303)
