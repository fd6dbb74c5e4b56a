"""Calls a model: so many requests at a time, each with a hard end, and few of them asked again.

    what came back                          what happens
    refused, reset, closed, no answer       asked again, three times in all: the network may be better in a moment
    429                                     asked again when Retry-After says so, else after 1, 2, 4, 8 s; all other requests wait too
    anything else                           a failed call

A 500 is not asked again, nor a reply that makes no sense: a model that fails on a prompt fails on it again, and a loop of retries
turns one bad prompt into a bill (one data team's pipeline repeated a 405 5,363 times in six days). Failed calls are counted
apart; too many of them, and the gate says inconclusive.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, Self

import httpx
from pydantic import BaseModel, Field, ValidationError

from kb_platform.knowledge.retry_after import retry_after
from kb_platform.quality.judges.endpoint import CallFailed, Endpoint, Failure, M, Usage, format_request, parse_reply

NETWORK_ATTEMPTS = 3
RATE_LIMIT_ATTEMPTS = 5
LONGEST_PAUSE = 120.0
NETWORK = (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError, TimeoutError)
PRINTABLE = re.compile(r"[\w.-]{1,64}")

Pause = Callable[[float], Awaitable[None]]


class _Tokens(BaseModel):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Completion(BaseModel):
    choices: list[_Choice] = Field(min_length=1)
    usage: _Tokens | None = None


class Meter:
    """Adds up what the calls of one vote used, the failed ones included: they are paid for as well."""

    def __init__(self) -> None:
        self.usage = Usage()

    def add(self, usage: Usage) -> None:
        """Count one more."""
        self.usage += usage


class Chat:
    """A model that can be asked, within `async with`. `pause` is how it waits."""

    def __init__(self, endpoint: Endpoint, pause: Pause = asyncio.sleep) -> None:
        self.endpoint, self._pause = endpoint, pause
        self._slots, self._open_at = asyncio.Semaphore(endpoint.concurrency), 0.0
        headers = {"authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
        self._http = httpx.AsyncClient(base_url=endpoint.url, headers=headers, timeout=endpoint.timeout)

    async def __aenter__(self) -> Self:
        """Open the connections."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close them."""
        await self._http.aclose()

    async def ask(self, prompt: str, schema: type[M], meter: Meter) -> M:
        """Return the model's reply as a value.

        Raises:
            CallFailed: there is none; its kind says why.
        """
        text = await self._complete([{"role": "user", "content": prompt}], schema, meter)
        return parse_reply(text, schema)

    async def write(self, system: str, user: str, meter: Meter) -> str:
        """Return the model's reply as text.

        Raises:
            CallFailed: there is none; its kind says why.
        """
        return await self._complete([{"role": "system", "content": system}, {"role": "user", "content": user}], None, meter)

    async def _complete(self, messages: list[dict[str, str]], schema: type[BaseModel] | None, meter: Meter) -> str:
        asked = format_request(self.endpoint.response_format, schema)
        body = {"model": self.endpoint.model, "messages": messages, "temperature": 0} | asked
        response = await self._post(body, meter)
        try:
            completion = _Completion.model_validate_json(response.content)
        except ValidationError:
            raise self._failed(Failure.NOT_A_COMPLETION, f"{len(response.content)} bytes that are no chat completion") from None
        tokens = completion.usage or _Tokens()
        meter.add(self.endpoint.usage(tokens.prompt_tokens, tokens.completion_tokens))
        choice = completion.choices[0]
        if choice.finish_reason == "length":
            raise self._failed(Failure.TRUNCATED, f"the reply was cut off after {tokens.completion_tokens} tokens")
        if not choice.message.content or not choice.message.content.strip():
            raise self._failed(Failure.NOT_A_COMPLETION, f"an empty reply (finish_reason {_safe(choice.finish_reason)})")
        return choice.message.content

    async def _post(self, body: dict[str, Any], meter: Meter) -> httpx.Response:
        """Return the response with status 200, after asking again what may be asked again."""
        lost = limited = 0
        while True:
            try:
                response = await self._once(body, meter)
            except NETWORK as error:
                lost += 1
                if lost == NETWORK_ATTEMPTS:
                    raise self._lost(error) from None
                await self._pause(0.5 * 2**lost)
                continue
            except httpx.HTTPError as error:
                raise self._failed(Failure.NETWORK, type(error).__name__) from None
            if response.status_code == httpx.codes.OK:
                return response
            limited += 1
            if response.status_code != httpx.codes.TOO_MANY_REQUESTS or limited == RATE_LIMIT_ATTEMPTS:
                raise self._refused(response)
            await self._wait_for_the_limit(response, limited)

    async def _once(self, body: dict[str, Any], meter: Meter) -> httpx.Response:
        async with self._slots:
            wait = self._open_at - asyncio.get_running_loop().time()
            if wait > 0:
                await self._pause(wait)
            meter.add(Usage(requests=1))
            async with asyncio.timeout(self.endpoint.timeout):  # httpx bounds each read, a dripping server needs a bound on the whole
                return await self._http.post("chat/completions", json=body)

    async def _wait_for_the_limit(self, response: httpx.Response, attempt: int) -> None:
        wait = retry_after(response.headers.get("retry-after"))
        wait = 2.0 ** (attempt - 1) if wait is None else wait
        if wait > LONGEST_PAUSE:
            text = f"the limit lasts {wait:.0f} s more, longer than the {LONGEST_PAUSE:.0f} s that a gate waits"
            raise self._failed(Failure.RATE_LIMITED, text, action="run the gate again later: votes that were given are kept")
        self._open_at = max(self._open_at, asyncio.get_running_loop().time() + wait)
        await self._pause(wait)

    def _lost(self, error: Exception) -> CallFailed:
        slow = isinstance(error, TimeoutError | httpx.TimeoutException)
        text = f"no answer within {self.endpoint.timeout:g} s" if slow else type(error).__name__
        return self._failed(Failure.TIMEOUT if slow else Failure.NETWORK, f"{text}, asked {NETWORK_ATTEMPTS} times")

    def _refused(self, response: httpx.Response) -> CallFailed:
        status = response.status_code
        if status == httpx.codes.TOO_MANY_REQUESTS:
            return self._failed(Failure.RATE_LIMITED, f"429, asked {RATE_LIMIT_ATTEMPTS} times", action="lower KB_JUDGE_CONCURRENCY")
        kind = Failure.SERVER if status >= 500 else Failure.REFUSED
        hint = {401: "check its API key", 403: "check its API key", 404: "check its URL and model"}.get(status, "")
        return self._failed(kind, f"{status}{_code_of(response)}", action=hint)

    def _failed(self, kind: Failure, found: str, *, action: str = "") -> CallFailed:
        return CallFailed(kind, found, where=f"{self.endpoint.model} at {self.endpoint.url}", action=action)


def _code_of(response: httpx.Response) -> str:
    """Return the error's code where it gives one. Its message may quote the prompt, so that is left out."""
    try:
        error = response.json()["error"]
        return f" ({_safe(error.get('code') or error.get('type'))})"
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""


def _safe(value: object) -> str:
    return value if isinstance(value, str) and PRINTABLE.fullmatch(value) else "unknown"
