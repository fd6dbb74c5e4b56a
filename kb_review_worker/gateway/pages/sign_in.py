"""Signing in and out, and the way back from the identity provider, which ends in a session or in a signature."""

import datetime as dt

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from kb_contracts.decisions import Reviewer
from kb_review_worker.gateway.identity.oidc import Login, TokenRefused, is_fresh
from kb_review_worker.gateway.pages.proof import leave, passed
from kb_review_worker.gateway.pages.rendering import page
from kb_review_worker.gateway.pages.signed_in import FormOf, SessionOf, cookies_of, field, path_within
from kb_review_worker.gateway.pages.signing import sign
from kb_review_worker.gateway.problems import Problem
from kb_review_worker.gateway.services import Services, ServicesOf, address_of

router = APIRouter(include_in_schema=False)


@router.get("/sign-in")
async def sign_in(request: Request, services: ServicesOf, to: str = "/") -> Response:
    """Show the form of a local identity, or leave for the provider."""
    if services.identity.oidc:
        return await leave(services, services.identity.oidc, path_within(to))
    return page(request, "sign_in", to=path_within(to), error="")


@router.post("/sign-in")
async def sign_in_locally(request: Request, services: ServicesOf) -> Response:
    """Begin a session of a local identity."""
    local = services.identity.local
    if local is None:
        raise Problem(404, "No such page")
    form = await request.form(max_files=0, max_fields=5)
    to = path_within(field(form, "to"))
    person = await passed(local, field(form, "name"), field(form, "passphrase"), services, request)
    if person is None:
        return page(request, "sign_in", 403, to=to, error="No such name and passphrase. After five failures a name waits half a minute.")
    return await _begin(services, person, dt.datetime.now(dt.UTC), to)


@router.get("/sign-in/callback")
async def come_back(request: Request, services: ServicesOf, state: str = "", code: str = "", error: str = "") -> Response:
    """Take the browser back from the provider."""
    oidc, cookies = services.identity.oidc, cookies_of(services)
    kept = await services.sessions.come_back(state, request.cookies.get(cookies.sign_in, "")) if oidc else None
    if oidc is None or kept is None:
        await services.trail.denied("sign_in", address_of(request))
        raise Problem(403, "This sign-in is not known here", "it is too old, was used before, or began in another browser: sign in again")
    if error or not code:
        raise Problem(403, "The provider did not sign you in", f"it says: {error[:100] or 'nothing'}")
    try:
        login = await oidc.arrive(code, kept)
    except TokenRefused as refused:
        await services.trail.denied("sign_in", address_of(request))
        raise Problem(403, "The provider's answer is refused", str(refused)) from None
    if kept.draft_id is None:
        return await _begin(services, login.person, login.authenticated_at or dt.datetime.now(dt.UTC), kept.return_to)
    return await _sign(request, services, login, kept.draft_id)


async def _begin(services: Services, person: Reviewer, at: dt.datetime, to: str) -> Response:
    response, cookies = RedirectResponse(to, 303), cookies_of(services)
    cookies.put(response, cookies.session, await services.sessions.begin(person, at))
    response.delete_cookie(cookies.sign_in, path="/", secure=cookies.is_secure, httponly=True, samesite="lax")
    return response


async def _sign(request: Request, services: Services, login: Login, draft_id: str) -> Response:
    cookie = request.cookies.get(cookies_of(services).session)
    session = await services.sessions.session(cookie) if cookie else None
    draft = await services.sessions.drafted(session, draft_id) if session else None
    if session is None or draft is None:
        raise Problem(403, "There is nothing to sign", "the draft is older than ten minutes, or the session has ended: decide again")
    task = await services.asked_about(draft.task_id)
    same = (login.person.issuer, login.person.id) == (session.person.issuer, session.person.id)
    if not same or not is_fresh(login, draft.created_at):
        await services.trail.denied("reauthentication", address_of(request), event_id=f"page/{draft.id}", who=session.person, review_id=task.review_id)
        found = "the provider did not say that you signed in just now (auth_time)" if same else "somebody else has signed in"
        raise Problem(403, "Not signed", f"{found}: nothing was decided")
    return await sign(services, task, draft, login.person)


@router.post("/sign-out")
async def sign_out(services: ServicesOf, session: SessionOf, _form: FormOf) -> Response:
    """End the session."""
    await services.sessions.end(session)
    cookies = cookies_of(services)
    response = RedirectResponse("/sign-in" if services.identity.local else "/signed-out", 303)
    response.delete_cookie(cookies.session, path="/", secure=cookies.is_secure, httponly=True, samesite="lax")
    return response


@router.get("/signed-out")
async def signed_out(request: Request) -> Response:
    """Say so. The provider's own session is the provider's to end."""
    return page(request, "problem", title="Signed out", detail="", action="/", action_text="Sign in again")
