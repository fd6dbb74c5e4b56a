"""Asks an OpenAI-compatible endpoint for embeddings: so many requests at a time, each with a hard end, and few of them asked again.

    what came back                          what happens
    refused, reset, closed, no answer       asked again, three times in all: the network may be better in a moment
    502, 503, 504                           the same: nobody is behind the address yet, or not any more
    429                                     asked again when Retry-After says so, else after 1, 2, 4, 8 s; all other requests wait too
    500                                     TransientError: not asked again here
    a redirect, 4xx, a reply that is wrong  PermanentError: asking again does not make it right

Neither a text nor the key is in a message: what the endpoint says about an error may quote the texts, so that only its code is shown.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import httpx
import numpy as np

from kb_platform.index.embeddings_reply import read_vectors
from kb_platform.knowledge.errors import ConfigError, KbError, PermanentError, TransientError
from kb_platform.knowledge.retry_after import retry_after

NETWORK_ATTEMPTS = 3
RATE_LIMIT_ATTEMPTS = 5
LONGEST_PAUSE = 120.0
NETWORK = (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError, TimeoutError)
NOBODY_THERE = {502, 503, 504}
_PRINTABLE = re.compile(r"[\w.-]{1,64}")

Pause = Callable[[float], Awaitable[None]]


@dataclass(frozen=True)
class EmbeddingsEndpoint:
    """Address and limits. `url` ends before /embeddings; `timeout` is one request's seconds, `batch` its texts."""

    url: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    timeout: float = 60.0
    concurrency: int = 4
    batch: int = 32


@dataclass(frozen=True)
class Request:
    """Texts of one request, and the tokens that they have at least."""

    texts: Sequence[str]
    least_tokens: int


class EmbeddingsClient:
    """Sends requests; `size` is the dimensions that each vector must have, `pause` how it waits."""

    def __init__(self, endpoint: EmbeddingsEndpoint, size: int, pause: Pause = asyncio.sleep) -> None:
        self.endpoint, self._size, self._pause = endpoint, size, pause
        self._open_at = 0.0

    async def vectors(self, http: httpx.AsyncClient, request: Request) -> np.ndarray:
        """Return float32 [len(request.texts), size].

        Raises:
            TransientError: the endpoint does not answer, or has no room, after all attempts.
            PermanentError: it refuses, or what it says is wrong.
        """
        response = await self._patiently(http, request.texts)
        try:
            return read_vectors(response.content, len(request.texts), self._size, request.least_tokens)
        except PermanentError as error:
            raise self._error(PermanentError, error.found, expected=error.expected, action=error.action) from None

    def connections(self) -> httpx.AsyncClient:
        """Return connections for one event loop. Redirects are not followed: they would take the texts and the key elsewhere."""
        key = self.endpoint.api_key
        return httpx.AsyncClient(base_url=self.endpoint.url, headers={"authorization": f"Bearer {key}"} if key else {},
                                 timeout=self.endpoint.timeout, follow_redirects=False)

    async def _patiently(self, http: httpx.AsyncClient, texts: Sequence[str]) -> httpx.Response:
        """Return the response with status 200, after asking again what may be asked again."""
        lost = limited = 0
        while True:
            try:
                response = await self._once(http, texts)
            except NETWORK as error:
                response = self._lost(error)
            except httpx.HTTPError as error:
                raise self._error(TransientError, type(error).__name__) from None
            if isinstance(response, httpx.Response) and response.status_code == httpx.codes.OK:
                return response
            if isinstance(response, KbError) or response.status_code in NOBODY_THERE:
                lost += 1
                await self._wait_for_somebody(response, lost)
            elif response.status_code == httpx.codes.TOO_MANY_REQUESTS:
                limited += 1
                await self._wait_for_the_limit(response, limited)
            else:
                raise self._refused(response)

    async def _once(self, http: httpx.AsyncClient, texts: Sequence[str]) -> httpx.Response:
        wait = self._open_at - time.monotonic()
        if wait > 0:
            await self._pause(wait)
        body = {"model": self.endpoint.model, "input": list(texts), "encoding_format": "float"}
        async with asyncio.timeout(self.endpoint.timeout):  # httpx bounds each read, a dripping server needs a bound on the whole
            return await http.post("embeddings", json=body)

    async def _wait_for_somebody(self, response: httpx.Response | KbError, attempt: int) -> None:
        if attempt == NETWORK_ATTEMPTS:
            error = response if isinstance(response, KbError) else self._error(TransientError, f"{response.status_code}, asked {attempt} times")
            raise error
        asked_for = None if isinstance(response, KbError) else retry_after(response.headers.get("retry-after"))
        await self._pause(min(asked_for or 0.5 * 2**attempt, LONGEST_PAUSE))

    async def _wait_for_the_limit(self, response: httpx.Response, attempt: int) -> None:
        wait = retry_after(response.headers.get("retry-after"))
        wait = 2.0 ** (attempt - 1) if wait is None else wait
        if attempt == RATE_LIMIT_ATTEMPTS:
            raise self._error(TransientError, f"429, asked {attempt} times", action="lower KB_EMBEDDER_CONCURRENCY")
        if wait > LONGEST_PAUSE:
            raise self._error(TransientError, f"the limit lasts {wait:.0f} s more, longer than the {LONGEST_PAUSE:.0f} s that are waited here",
                              action="run it again later: vectors that were stored stay")
        self._open_at = max(self._open_at, time.monotonic() + wait)
        await self._pause(wait)

    def _lost(self, error: Exception) -> KbError:
        slow = isinstance(error, TimeoutError | httpx.TimeoutException)
        text = f"no answer within {self.endpoint.timeout:g} s" if slow else type(error).__name__
        return self._error(TransientError, f"{text}, asked {NETWORK_ATTEMPTS} times",
                           action="raise KB_EMBEDDER_TIMEOUT, or lower KB_EMBEDDER_BATCH" if slow else "")

    def _refused(self, response: httpx.Response) -> KbError:
        status = response.status_code
        if status >= 500:
            return self._error(TransientError, f"{status}{_code_of(response)}", action="see the endpoint's log")
        if response.is_redirect:
            return self._error(ConfigError, f"{status}: a redirect, which is not followed", action="give the address that it leads to")
        hint = {401: "check KB_EMBEDDER_API_KEY", 403: "check KB_EMBEDDER_API_KEY", 404: "check KB_EMBEDDER_URL and the model's name",
                413: "lower KB_EMBEDDER_BATCH", 422: "lower KB_EMBEDDER_BATCH, or embedding.max_tokens"}.get(status, "")
        return self._error(PermanentError, f"{status}{_code_of(response)}", action=hint)

    def _error(self, kind: type[KbError], found: str, *, expected: str = "", action: str = "") -> KbError:
        return kind(found, where=f"{self.endpoint.model} at {self.endpoint.url}", expected=expected, action=action)


def _code_of(response: httpx.Response) -> str:
    """Return the error's code where it gives one. Its message may quote the texts, so that is left out."""
    try:
        error = response.json()["error"]
        code = error.get("code") or error.get("type")
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    return f" ({code})" if isinstance(code, str) and _PRINTABLE.fullmatch(code) else ""
