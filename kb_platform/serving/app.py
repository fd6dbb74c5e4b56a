"""The application: its routes, what holds for each of them, and what goes wrong in words."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from kb_platform.knowledge.errors import KbError
from kb_platform.serving import routes
from kb_platform.serving.guard import Guard
from kb_platform.serving.problems import Problem, of_exception, problem_json
from kb_platform.serving.services import Services
from kb_platform.serving.tools import PATH, Mounted, build_tools

LOG = logging.getLogger(__name__)
EXPECTED = (Problem, RequestValidationError, HTTPException, KbError)


def build_app(services: Services, *, is_open: bool) -> FastAPI:
    """Return the application. `is_open`: it asks for no keys. Its interactive documentation is off: that would load scripts from elsewhere."""
    tools = build_tools(services, version("kb-platform"))
    mounted = Mounted(tools, services)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with tools.session_manager.run():
            yield
        services.close()

    app = FastAPI(title="kb-platform search", version=version("kb-platform"), openapi_url="/v1/openapi.json", docs_url=None, redoc_url=None,
                  redirect_slashes=False, lifespan=lifespan, description="Search what is promoted. Each answer names the one release that it was read from.")
    app.state.services = services
    app.include_router(routes.router)
    app.router.routes.append(Route(PATH, mounted, methods=["POST"]))  # no session is held: whatever a GET would wait for never comes
    for kind in (*EXPECTED, Exception):
        app.add_exception_handler(kind, _failed)
    app.add_middleware(Guard, is_open=is_open, body_timeout=services.limits.seconds)
    return app


async def _failed(request: Request, error: Exception) -> Response:
    problem = of_exception(error)
    if problem.status >= 500 and not isinstance(error, Problem):
        said = {"why": str(error)} if isinstance(error, KbError) else {}  # ours never quote what was asked
        LOG.error("%s failed", request.scope["method"], exc_info=error, extra={"said": said})
    return problem_json(problem)
