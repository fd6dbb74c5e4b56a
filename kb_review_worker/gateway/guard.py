"""What holds for every request, whatever its route: the host, the size, where it comes from, the headers, one line of log, one metric."""

import logging
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kb_review_worker.gateway.metrics import REQUESTS

LOG = logging.getLogger("kb_review.gateway.requests")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
LARGEST_BODY = 256 * 1024
POLICY = ("default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
SAFE = {
    "content-security-policy": POLICY, "x-content-type-options": "nosniff", "referrer-policy": "same-origin", "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin", "cross-origin-resource-policy": "same-origin", "x-frame-options": "DENY",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
PROXIED = ("forwarded", "x-forwarded-for", "x-forwarded-host")


class TooLarge(Exception):
    """A body over the limit."""


class Guard:
    """Middleware around the application. `hosts` are the names it answers to, against rebound DNS; `is_local` refuses proxies."""

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str], origin: str, is_local: bool) -> None:
        self._app, self._hosts, self._origin, self._is_local = app, hosts, origin, is_local

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
                if self._origin.startswith("https://"):
                    headers["strict-transport-security"] = "max-age=31536000"
            await send(message)

        try:
            refusal = self._refusal(scope, Headers(scope=scope))
            if refusal:
                await refusal(scope, receive, answer)
            else:
                await self._app(scope, _limited(receive), answer)
        finally:
            _tell(scope, status, time.perf_counter() - began)

    def _refusal(self, scope: Scope, headers: Headers) -> PlainTextResponse | None:
        method, path = scope["method"], scope["path"]
        host = headers.get("host", "").rpartition(":")[0] if ":" in headers.get("host", "").rpartition("]")[2] else headers.get("host", "")
        if host.lower().strip("[]") not in self._hosts:
            return PlainTextResponse("this host is not served here: check KB_REVIEW_GATEWAY_URL\n", 421)
        if self._is_local and any(name in headers for name in PROXIED):
            return PlainTextResponse("a local identity serves nobody behind a proxy: name an OpenID Connect provider\n", 403)
        if "\0" in path or b"%00" in scope["query_string"]:
            return PlainTextResponse("no address holds a NUL\n", 400)
        size = headers.get("content-length", "0")
        if not size.isdigit() or int(size) > LARGEST_BODY:
            return PlainTextResponse(f"at most {LARGEST_BODY} bytes\n", 413)
        is_page = not path.startswith(("/api/", "/webhooks/"))
        own = {self._origin, f"{self._origin.partition(':')[0]}://{headers.get('host', '').lower()}"}  # on loopback a host has several names
        if method not in {"GET", "HEAD"} and is_page and headers.get("origin", self._origin) not in own:
            return PlainTextResponse("a form of another site\n", 403)
        return None


def _limited(receive: Receive) -> Receive:
    taken = 0

    async def limited() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > LARGEST_BODY:
            raise TooLarge
        return message

    return limited


def _tell(scope: Scope, status: int, seconds: float) -> None:
    route = getattr(scope.get("route"), "path", "")  # the pattern: a path may hold ids, a query anything
    method = scope["method"] if scope["method"] in METHODS else "other"  # anybody may write any word there
    REQUESTS.labels(method, route, str(status)).observe(seconds)
    LOG.info("request", extra={"said": {"method": method, "route": route, "status": status, "ms": round(seconds * 1000)}})
