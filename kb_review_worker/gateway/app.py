"""The application: all routes, what holds for each of them, and what goes wrong in words."""

import logging
from urllib.parse import quote, urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from temporalio.exceptions import ApplicationError

from kb_review_worker.gateway.api import routes as api
from kb_review_worker.gateway.guard import Guard, TooLarge
from kb_review_worker.gateway.identity.keys import ProviderSilent
from kb_review_worker.gateway.identity.local import ReviewersUnreadable
from kb_review_worker.gateway.pages import cases, sign_in, signatures
from kb_review_worker.gateway.pages.rendering import HERE, page
from kb_review_worker.gateway.pages.signed_in import NotSignedIn
from kb_review_worker.gateway.problems import Problem, is_machine, of_exception, problem_json
from kb_review_worker.gateway.services import Services
from kb_review_worker.gateway.webhooks import routes as webhooks

LOG = logging.getLogger(__name__)
LOOPBACK = ("127.0.0.1", "localhost", "::1")
EXPECTED = (Problem, RequestValidationError, HTTPException, ApplicationError, ProviderSilent, ReviewersUnreadable, TooLarge)


def build_app(services: Services) -> FastAPI:
    """Return the application. Its interactive documentation is off: that would load scripts from elsewhere."""
    app = FastAPI(title="kb-platform review", version="1", openapi_url="/api/openapi.json", docs_url=None, redoc_url=None)
    app.state.services = services
    for router in (webhooks.router, api.router, cases.router, signatures.router, sign_in.router):
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    for kind in (*EXPECTED, Exception):
        app.add_exception_handler(kind, _failed)
    app.add_exception_handler(NotSignedIn, _to_sign_in)
    url, is_local = urlsplit(services.settings.url), services.identity.local is not None
    hosts = frozenset({url.hostname or "", *(LOOPBACK if url.scheme == "http" else ())})
    app.add_middleware(Guard, hosts=hosts, origin=f"{url.scheme}://{url.netloc}", is_local=is_local)
    return app


async def _failed(request: Request, error: Exception) -> Response:
    problem = of_exception(error)
    if problem.status >= 500:
        LOG.error("%s failed", request.scope["method"], exc_info=error)
    if is_machine(request):
        return problem_json(problem)
    answer = page(request, "problem", problem.status, title=problem.title, detail=problem.detail, action=problem.more.get("action", "/"),
                  action_text="Back to the case" if "action" in problem.more else "To the cases")
    answer.headers.update(problem.headers)
    return answer


async def _to_sign_in(request: Request, _: Exception) -> Response:
    query = f"?{request.url.query}" if request.url.query else ""
    to = f"{request.url.path}{query}" if request.method == "GET" else "/"
    return RedirectResponse(f"/sign-in?to={quote(to)}", 303)
