"""How somebody proves who they are: a passphrase of a local identity, or a way to the provider and back."""

import secrets

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from kb_contracts.decisions import Reviewer
from kb_review_worker.gateway.identity.local import LocalReviewers, TooManyTries
from kb_review_worker.gateway.identity.oidc import Oidc
from kb_review_worker.gateway.pages.signed_in import cookies_of
from kb_review_worker.gateway.services import Services, address_of
from kb_review_worker.storage.sessions import Session
from kb_review_worker.storage.task_lists import Task

TEN_MINUTES = 600  # seconds that a sign-in may take


async def passed(local: LocalReviewers, name: str, passphrase: str, services: Services, request: Request) -> Reviewer | None:
    """Return whom name and passphrase belong to; a failure is recorded, without the name, which anybody can have typed."""
    person = _known(local, name, passphrase)
    if person is None:
        await services.trail.denied("sign_in", address_of(request))
    return person


async def passed_again(local: LocalReviewers, session: Session, passphrase: str, services: Services, request: Request, task: Task) -> Reviewer | None:
    """Return who signs; a failure is recorded with whose session it was, and with the review: once a minute for the two."""
    person = _known(local, session.person.id, passphrase)
    if person is None:
        await services.trail.unsigned(task, session.person, address_of(request))
    return person


def _known(local: LocalReviewers, name: str, passphrase: str) -> Reviewer | None:
    try:
        return local.check(name, passphrase)
    except TooManyTries:
        return None


async def leave(services: Services, oidc: Oidc, to: str, draft_id: str | None = None) -> Response:
    """Send the browser to the provider; with a draft, to sign in again whatever session it has there."""
    url, state, kept = await oidc.leave(to, again=draft_id is not None, draft_id=draft_id)
    browser = secrets.token_urlsafe(32)
    await services.sessions.leave(state, browser, kept)
    response, cookies = RedirectResponse(url, 303), cookies_of(services)
    cookies.put(response, cookies.sign_in, browser, TEN_MINUTES)
    return response
