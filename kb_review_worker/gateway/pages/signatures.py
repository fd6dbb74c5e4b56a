"""From a verdict to a signature: a draft, the meaning of what is signed, a second sign-in, the receipt."""

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from kb_contracts.decisions import Verdict
from kb_contracts.names import UpdateName
from kb_review_worker.gateway.pages.cases import case_page
from kb_review_worker.gateway.pages.proof import leave, passed_again
from kb_review_worker.gateway.pages.rendering import page
from kb_review_worker.gateway.pages.signed_in import FormOf, SessionOf, field
from kb_review_worker.gateway.pages.signing import sign
from kb_review_worker.gateway.problems import Problem
from kb_review_worker.gateway.services import Services, ServicesOf, address_of
from kb_review_worker.storage.sessions import Draft, Session
from kb_review_worker.storage.task_lists import Task

router = APIRouter(include_in_schema=False)
LONGEST_REASON = 10_000


@router.post("/cases/{task_id}/decision")
async def draft_decision(task_id: int, request: Request, services: ServicesOf, session: SessionOf, form: FormOf) -> Response:
    """Keep a verdict with its reason, to be signed on the next page."""
    task = await services.task(task_id, session.person, address_of(request))
    said, reason = field(form, "verdict"), field(form, "reason")
    error = ""
    if said not in set(Verdict):
        error = "Choose one of the three verdicts."
    elif said != Verdict.APPROVE and not reason:
        error = "Say why: a rejection or a request for changes needs its reason."
    elif len(reason) > LONGEST_REASON:
        error = f"The reason is longer than {LONGEST_REASON} characters."
    elif field(form, "digest") != task.digest:
        error = "The form is about another version: look at the case again."
    if error:
        return await case_page(request, services, session, task, status=422, error=error, reason=reason)
    draft_id = await services.sessions.draft(session, task_id, Verdict(said), reason)
    return RedirectResponse(f"/signatures/{draft_id}", 303)


@router.get("/signatures/{draft_id}")
async def show_draft(draft_id: str, request: Request, services: ServicesOf, session: SessionOf) -> Response:
    """State what is about to be signed, and what the signature means."""
    draft, task = await _drafted(services, session, draft_id, request)
    return page(request, "signature", session=session, draft=draft, task=task, error="")


@router.get("/signatures/{draft_id}/sign-in")
async def sign_in_to_sign(draft_id: str, request: Request, services: ServicesOf, session: SessionOf) -> Response:
    """Leave for the provider, to sign in again. A link and no form, as the policy lets no form lead to another site."""
    draft, _ = await _drafted(services, session, draft_id, request)
    if services.identity.oidc is None:
        raise Problem(404, "No such page")
    return await leave(services, services.identity.oidc, f"/signatures/{draft.id}", draft.id)


@router.post("/signatures/{draft_id}")
async def sign_locally(draft_id: str, request: Request, services: ServicesOf, session: SessionOf, form: FormOf) -> Response:
    """Sign with the passphrase of a local identity."""
    draft, task = await _drafted(services, session, draft_id, request)
    if services.identity.local is None:
        raise Problem(404, "No such page")
    person = await passed_again(services.identity.local, session, field(form, "passphrase"), services, request, task)
    if person is None:
        return page(request, "signature", 403, session=session, draft=draft, task=task, error="That is not your passphrase: nothing was signed.")
    return await sign(services, task, draft, person)


@router.get("/cases/{task_id}/receipts/{draft_id}")
async def show_receipt(task_id: int, draft_id: str, request: Request, services: ServicesOf, session: SessionOf) -> Response:
    """Show what became of a signed decision; until that is known, the page looks again by itself."""
    task = await services.task(task_id, session.person, address_of(request))
    found = await services.deliveries.answer_to(f"page/{draft_id}")
    if found is None or (found[0].review_id, found[0].operation) != (task.review_id, UpdateName.DECIDE):
        raise Problem(404, "No such receipt", "nothing was signed under this number")
    event, answer = found
    return page(request, "receipt", session=session, task=task, event=event, answer=answer, refresh=None if answer else 3)


async def _drafted(services: Services, session: Session, draft_id: str, request: Request) -> tuple[Draft, Task]:
    draft = await services.sessions.drafted(session, draft_id)
    if draft is None:
        raise Problem(404, "Nothing to sign", "the draft is older than ten minutes, or it is another person's: decide again")
    return draft, await services.task(draft.task_id, session.person, address_of(request))
