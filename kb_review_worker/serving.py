"""Small HTTP servers inside the worker's process: health and readiness, and the codec server."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

LOG = logging.getLogger(__name__)
PATIENCE = 10  # seconds that requests at hand have at the end: a client that sends half a request keeps no process from ending


def monitor_app(is_ready: Callable[[], Awaitable[bool]]) -> Starlette:
    """Return `/healthz` (the process answers) and `/readyz` (it works, and Temporal answers it)."""

    async def health(_: Request) -> Response:
        return PlainTextResponse("ok")

    async def readiness(_: Request) -> Response:
        ready = await is_ready()
        return PlainTextResponse("ready" if ready else "not ready", 200 if ready else 503)

    return Starlette(routes=[Route("/healthz", health), Route("/readyz", readiness)])


class _Quiet(uvicorn.Server):
    """A server that leaves the signals to the process around it."""

    @contextmanager
    def capture_signals(self):  # noqa: ANN201 - as uvicorn declares it
        """Capture none."""
        yield


@asynccontextmanager
async def served(app: Starlette, what: str, host: str, port: int) -> AsyncIterator[int]:
    """Serve an application, and yield its port.

    Raises:
        OSError: the address cannot be listened on.
    """
    listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    with listener:
        server = _Quiet(uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=PATIENCE))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        chosen = listener.getsockname()[1]
        LOG.info("%s on http://%s:%d", what, host, chosen)
        try:
            yield chosen
        finally:
            server.should_exit = True
            await serving
