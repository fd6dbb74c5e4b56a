"""What all routes use, put together once by the process."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Annotated, Self, TypeVar

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from kb_platform.index.retrieve import Asked
from kb_platform.knowledge.api_keys import ApiKey
from kb_platform.serving.bases import Bases
from kb_platform.serving.callers import Caller, Callers
from kb_platform.serving.metrics import QUESTIONS, REFUSED
from kb_platform.serving.problems import Problem, busy
from kb_platform.serving.questions import Answer, Pin, Questions
from kb_platform.serving.rates import Rates
from kb_platform.settings import Settings

READERS = 4  # threads that fetch documents and the like
Found = TypeVar("Found")


@dataclass(frozen=True)
class Limits:
    """How much is let: questions a second of a key, requests that wait, seconds that a request may take."""

    rate: float
    waiting: int
    seconds: float


@dataclass(frozen=True)
class Services:
    """The parts of a server."""

    bases: Bases
    callers: Callers
    questions: Questions
    limits: Limits
    rates: Rates = field(default_factory=Rates)
    _readers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(READERS, "readers"))
    _reading: set[object] = field(default_factory=set)

    @classmethod
    def of(cls, settings: Settings, load_keys: Callable[[], Sequence[ApiKey]] | None = None) -> Self:
        """Return those that settings ask for. Without `load_keys`, everybody is let in."""
        bases = Bases(settings.defs)
        return cls(bases, Callers(load_keys), Questions(bases, settings.serve_waiting),
                   Limits(settings.serve_rate, settings.serve_waiting, settings.serve_timeout))

    def pay(self, caller: Caller, cost: int = 1) -> None:
        """Count what a key asks. Anybody on the loopback asks as much as there are places to wait.

        Raises:
            Problem: it has asked too much in a short time.
        """
        if caller.key is None:
            return
        wait = self.rates.take(caller.key.key_id, caller.key.rate or self.limits.rate, cost)
        if wait > 0:
            REFUSED.labels("rate_limited").inc()
            raise Problem(429, "rate_limited", "Too many questions", f"this key may ask {caller.key.rate or self.limits.rate:g} a second",
                          headers={"Retry-After": str(int(wait) + 1)})

    async def ask(self, base: str, asked: Sequence[Asked], pin: Pin) -> Answer:
        """Return the answer of one release to questions.

        Raises:
            Problem: too many wait, or it took too long.
            KbError: the release cannot be read, or the database does not answer.
        """
        answer = await self._in_time(asyncio.wrap_future(self.questions.ask(base, asked, pin)))
        QUESTIONS.labels(base).inc(len(asked))
        return answer

    async def read(self, call: Callable[[], Found]) -> Found:
        """Return what a call returns that waits for the database, in a thread.

        Raises:
            Problem: too many wait, or it took too long.
        """
        if len(self._reading) >= self.limits.waiting:
            raise busy("too many requests wait already")
        reading = asyncio.get_running_loop().run_in_executor(self._readers, call)
        self._reading.add(reading)
        reading.add_done_callback(self._reading.discard)
        return await self._in_time(reading)

    async def _in_time(self, answer: "asyncio.Future[Found]") -> Found:
        try:
            async with asyncio.timeout(self.limits.seconds):
                return await answer
        except TimeoutError:
            raise busy(f"no answer within {self.limits.seconds:g} s") from None

    def close(self) -> None:
        """Answer what waits, and end."""
        self.questions.close()
        self._readers.shutdown(cancel_futures=True)


def _services(request: Request) -> Services:
    return request.app.state.services


ServicesOf = Annotated[Services, Depends(_services)]
Token = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False, description="A key that `kb keys add` has made."))]


async def _caller(request: Request, services: ServicesOf, token: Token) -> Caller:
    caller = await services.callers.caller(token.credentials if token else None)
    request.state.said = {"caller": caller.name}
    return caller


CallerOf = Annotated[Caller, Depends(_caller)]
