"""What holds for every request, whatever its route: who may call an open server, the size, the time its body may take, one line of log, one metric."""

import asyncio
import logging
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kb_platform.local.loopback_pages import READING, refusal
from kb_platform.serving.metrics import REQUESTS
from kb_platform.serving.problems import Problem, problem_json

LOG = logging.getLogger(__name__)
LARGEST_BODY = 256 * 1024
SAFE = {"x-content-type-options": "nosniff", "cache-control": "no-store", "cross-origin-resource-policy": "same-origin",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'"}
PROXIED = ("forwarded", "x-forwarded-for", "x-forwarded-host")
OWN_SITE = {None, "none", "same-origin"}  # what a browser says of a request that another site's page did not cause


class Guard:
    """Middleware around the application. An `is_open` server asks for no key, and so serves this machine's programs alone, and no other site's page."""

    def __init__(self, app: ASGIApp, *, is_open: bool, body_timeout: float) -> None:
        self._app, self._is_open, self._body_timeout = app, is_open, body_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in SAFE.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            refused = self._refusal(scope, Headers(scope=scope))
            if refused:
                await problem_json(refused)(scope, receive, answer)
            else:
                await self._app(scope, self._limited(receive), answer)
        finally:
            _tell(scope, status, time.perf_counter() - began)

    def _refusal(self, scope: Scope, headers: Headers) -> Problem | None:
        if self._is_open and (trouble := _of_another_site(scope, headers)):
            return Problem(421, "not_served", "Not served here", trouble)
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:
            return Problem(400, "invalid", "Not understood", "no address holds a NUL")
        size = headers.get("content-length", "0")
        if not size.isdigit() or int(size) > LARGEST_BODY:
            return Problem(413, "too_large", "Too large", f"at most {LARGEST_BODY} bytes")
        return None

    def _limited(self, receive: Receive) -> Receive:
        """Return what receives no more than is let, in the time that is let; once the body is there, it waits for what may come."""
        taken, whole, end = 0, False, time.monotonic() + self._body_timeout

        async def limited() -> Message:
            nonlocal taken, whole
            if whole:
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), max(0.0, end - time.monotonic()))
            except TimeoutError:
                raise HTTPException(408, "the body did not come in time") from None
            taken, whole = taken + len(message.get("body", b"")), not message.get("more_body", False)
            if taken > LARGEST_BODY:
                raise HTTPException(413, f"at most {LARGEST_BODY} bytes")
            return message

        return limited


def _of_another_site(scope: Scope, headers: Headers) -> str:
    if any(name in headers for name in PROXIED):
        return "without keys, nobody behind a proxy is served: set KB_SERVE_OPEN=false"
    if headers.get("sec-fetch-site") not in OWN_SITE:
        return "a page of another site may not ask here"
    return refusal(headers.get("host", ""), headers.get("origin"), reads=scope["method"] in READING)


def _tell(scope: Scope, status: int, seconds: float) -> None:
    route = getattr(scope.get("route"), "path", "")  # the pattern: a path may hold ids, a query anything
    REQUESTS.labels(scope["method"] if scope["method"] in METHODS else "other", route, str(status)).observe(seconds)
    LOG.info("request", extra={"said": {"method": scope["method"][:20], "route": route, "status": status, "ms": round(seconds * 1000, 1),
                                        **scope.get("state", {}).get("said", {})}})


METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
