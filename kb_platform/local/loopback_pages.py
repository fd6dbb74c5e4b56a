"""Dagster's webserver for one machine: as `python -m dagster_webserver`, but it answers to the names of the loopback only.

The pages have no login. A web site whose name its owner lets point to 127.0.0.1 (rebound DNS) would be let in by any server that does not look
at the name it was called by; and a form of another site may post what a page of ours may.
"""

import sys
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
READING = frozenset({"GET", "HEAD", "OPTIONS"})


class LoopbackOnly:
    """Middleware around the webserver."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse what did not come from this machine's own pages or programs."""
        if scope["type"] not in {"http", "websocket"}:
            return await self._app(scope, receive, send)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        trouble = refusal(headers.get("host", ""), headers.get("origin"), reads=scope.get("method", "") in READING)
        if not trouble:
            return await self._app(scope, receive, send)
        if scope["type"] == "websocket":
            return await WebSocketClose(code=1008)(scope, receive, send)
        return await PlainTextResponse(f"{trouble}\n", 421)(scope, receive, send)


def refusal(host: str, origin: str | None, *, reads: bool) -> str:
    """Return why a request is refused, "" if it is not. `reads` says that it changes nothing."""
    if _name(f"//{host}") not in NAMES:
        return "this host is not served here: the pages are for this machine, at 127.0.0.1 or localhost"
    if origin and not reads and urlsplit(origin).netloc.lower() != host.lower():
        return "a page of another site may not change anything here"
    return ""


def _name(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def main() -> None:
    """Run the webserver with the arguments of the command line."""
    from dagster_webserver import cli as webserver

    cli: Any = webserver  # whose function that makes the application has no public name
    made = cli.create_app_from_workspace_process_context

    def guarded(*args: Any, **kwargs: Any) -> Any:
        app = made(*args, **kwargs)
        app.add_middleware(LoopbackOnly)
        return app

    cli.create_app_from_workspace_process_context = guarded
    sys.argv[0] = "dagster-webserver"
    cli.main()


if __name__ == "__main__":
    main()
