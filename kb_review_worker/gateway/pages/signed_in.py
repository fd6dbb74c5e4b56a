"""Who looks at a page, and whether a form is theirs."""

import hmac
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from kb_contracts.message import storable
from kb_review_worker.gateway.problems import Problem
from kb_review_worker.gateway.services import Services, ServicesOf
from kb_review_worker.storage.sessions import Session


class NotSignedIn(Exception):
    """A page that needs somebody signed in."""


@dataclass(frozen=True)
class Cookies:
    """The names of the cookies. `__Host-` binds them to this host and to https, where there is https."""

    is_secure: bool

    @property
    def session(self) -> str:
        """Return the session's cookie."""
        return f"{'__Host-' if self.is_secure else ''}kb_review"

    @property
    def sign_in(self) -> str:
        """Return the cookie that ties a sign-in to its browser."""
        return f"{self.session}_sign_in"

    def put(self, response: Response, name: str, value: str, seconds: int | None = None) -> None:
        """Set a cookie. Lax: the provider sends the browser back from another site."""
        response.set_cookie(name, value, max_age=seconds, path="/", httponly=True, secure=self.is_secure, samesite="lax")


def cookies_of(services: Services) -> Cookies:
    """Return the cookies of a gateway."""
    return Cookies(services.settings.url.startswith("https://"))


async def _session(request: Request, services: ServicesOf) -> Session:
    cookie = request.cookies.get(cookies_of(services).session)
    session = await services.sessions.session(cookie) if cookie else None
    if session is None:
        raise NotSignedIn
    return session


SessionOf = Annotated[Session, Depends(_session)]


async def _form(request: Request, session: SessionOf) -> FormData:
    form = await request.form(max_files=0, max_fields=20)
    if not hmac.compare_digest(field(form, "csrf").encode(), session.csrf.encode()):
        raise Problem(403, "This form is not yours", "go back, load the page again, and send it again")
    return form


FormOf = Annotated[FormData, Depends(_form)]


def field(form: FormData, name: str) -> str:
    """Return a field's text; browsers send line ends as CR LF."""
    value = form.get(name)
    return storable(value.replace("\r\n", "\n").strip()) if isinstance(value, str) else ""


def path_within(path: str) -> str:
    """Return a path of these pages, and the first page for anything that leads elsewhere."""
    return path if path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable() else "/"
