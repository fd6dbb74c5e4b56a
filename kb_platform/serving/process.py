"""The server's process: listens, answers, and ends on SIGTERM when it has answered what it was asked.

On the loopback it starts while the database is down, and is not ready then; beyond it, it has to see that there is a key.
"""

import asyncio
import ipaddress
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from threading import Thread

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from kb_platform.knowledge.errors import ConfigError, KbError, StateError
from kb_platform.local.environment import is_embedded
from kb_platform.local.ports import reachable
from kb_platform.resources import database_url
from kb_platform.resources.gpu_window import open_deployment
from kb_platform.serving.address import announced
from kb_platform.serving.app import build_app
from kb_platform.serving.metrics import REGISTRY
from kb_platform.serving.services import Services
from kb_platform.settings import Settings
from kb_platform.storage.api_keys import all_keys

LOG = logging.getLogger(__name__)
PATIENCE = 10  # seconds that requests at hand have at the end
MOST_CONNECTIONS = 512


def asks_for_keys(settings: Settings) -> bool:
    """Tell whether callers must show a key: beyond the loopback always."""
    return not (settings.serve_open and is_loopback(settings.serve_host))


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def require_keys(settings: Settings) -> None:
    """Refuse to listen beyond the loopback where there is no key that would let anybody in.

    Raises:
        ConfigError: there is none.
        TransientError: the database does not answer.
    """
    if not is_loopback(settings.serve_host) and not any(key.revoked_at is None for key in all_keys(open_deployment())):
        raise ConfigError(f"the search API is to listen on {settings.serve_host}, and there is no key yet", where="KB_SERVE_HOST",
                          expected="a key for each application", action="make one with `kb keys add NAME --grant KNOWLEDGE_BASE`, or listen on 127.0.0.1")


async def run(settings: Settings, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is told the URL.

    Raises:
        ConfigError: it would listen beyond the loopback without keys.
        StateError: the address cannot be listened on.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await asyncio.to_thread(require_keys, settings)
    is_open = not asks_for_keys(settings)
    services = Services.of(settings, None if is_open else lambda: all_keys(open_deployment()))
    async with AsyncExitStack() as running:
        await running.enter_async_context(_served(_monitor(), settings.serve_monitor_host, settings.serve_monitor_port, "KB_SERVE_MONITOR_PORT"))
        port = await running.enter_async_context(_served(build_app(services, is_open=is_open), settings.serve_host, settings.serve_port, "KB_SERVE_PORT"))
        if is_open:
            running.enter_context(announced(settings.home, settings.serve_host, port, str(settings.defs), database_url(), embedded=is_embedded(settings)))
        Thread(target=services.bases.warm, name="warm", daemon=True).start()
        ready(f"http://{reachable(settings.serve_host)}:{port}")
        await stop.wait()
        LOG.info("ending: requests at hand are answered first")


class _Quiet(uvicorn.Server):
    """A server that leaves the signals to the process around it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


@asynccontextmanager
async def _served(app: ASGIApp, host: str, port: int, variable: str) -> AsyncIterator[int]:
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise StateError(f"{host}:{port} cannot be listened on ({os.strerror(error.errno or 0)})", where=variable, action="name another port, or leave it unset") from None
    with listener:
        server = _Quiet(uvicorn.Config(app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=PATIENCE,
                                       timeout_keep_alive=75, limit_concurrency=MOST_CONNECTIONS, ws="none"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await serving


def _monitor() -> Starlette:
    async def health(_: Request) -> Response:
        return PlainTextResponse("ok")

    async def readiness(_: Request) -> Response:
        """Ready is what reaches the database."""
        try:
            await asyncio.to_thread(_asked_the_database)
        except KbError:
            return PlainTextResponse("not ready", 503)
        return PlainTextResponse("ready")

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)

    return Starlette(routes=[Route("/healthz", health), Route("/readyz", readiness), Route("/metrics", metrics)])


def _asked_the_database() -> None:
    with open_deployment().transaction("reader") as connection:
        connection.execute("select 1")
