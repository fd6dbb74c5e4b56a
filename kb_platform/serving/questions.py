"""Questions of many requests, answered together where they wait together.

A thread takes all that waits for one knowledge base, computes their vectors at once, and asks the database in one go; meanwhile another thread
takes what has come since. So a busy server makes fewer, larger steps, and a quiet one answers at once.
"""

import datetime as dt
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition, Lock, Thread

from kb_platform.index.retrieve import Asked, Prepared
from kb_platform.serving.bases import Base, Bases
from kb_platform.serving.metrics import TOGETHER, WAITING
from kb_platform.serving.problems import busy
from kb_platform.storage.reading import release_at
from kb_platform.storage.search import Hit, readable_release

LOG = logging.getLogger(__name__)
THREADS = 2  # one prepares while the database works for the other
TOGETHER_MOST = 32  # questions that are answered together

Pin = int | dt.datetime | None
"""Which release to read: this one, the one that was live at this time, or the live one."""


@dataclass(frozen=True)
class Answer:
    """What a release holds for each question of a request."""

    release: int
    hits: Sequence[Sequence[Hit]]
    unread: Sequence[Sequence[str]]


@dataclass(frozen=True)
class _Request:
    base: str
    asked: Sequence[Asked]
    pin: Pin
    answer: "Future[Answer]" = field(default_factory=Future)


@dataclass(frozen=True)
class _Together:
    """Requests that read the same release, their questions prepared."""

    base: Base
    release: int
    requests: Sequence[_Request]
    prepared: Sequence[Prepared]


def pinned_release(base: Base, pin: Pin) -> int:
    """Return the release that a request reads from now to its end.

    Raises:
        StateError: it cannot be read.
    """
    return release_at(base.database, pin) if isinstance(pin, dt.datetime) else readable_release(base.database, pin, "reader")


class Questions:
    """Takes questions, and answers them in threads of its own until it is closed."""

    def __init__(self, bases: Bases, most_waiting: int) -> None:
        self._bases, self._most = bases, most_waiting
        self._waiting: deque[_Request] = deque()
        self._news, self._turn, self._closed = Condition(), Lock(), False
        self._threads = [Thread(target=self._work, name=f"questions-{n}", daemon=True) for n in range(THREADS)]
        for thread in self._threads:
            thread.start()

    def ask(self, base: str, asked: Sequence[Asked], pin: Pin) -> "Future[Answer]":
        """Return the answer to come. A request that was cancelled meanwhile costs nothing.

        Raises:
            Problem: too many wait already.
        """
        request = _Request(base, asked, pin)
        with self._news:
            if self._closed or len(self._waiting) >= self._most:
                raise busy(f"{len(self._waiting)} requests wait already" if not self._closed else "the server is ending")
            self._waiting.append(request)
            WAITING.set(len(self._waiting))
            self._news.notify()
        return request.answer

    def close(self) -> None:
        """Answer what waits, and end."""
        with self._news:
            self._closed = True
            self._news.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while True:
            with self._turn:  # while a thread waits or prepares, what comes gathers for the next
                requests = self._take()
                if not requests:
                    return
                groups = self._prepared(requests)
            for group in groups:
                self._answer(group)

    def _take(self) -> list[_Request]:
        """Return what waits for the knowledge base whose turn it is; nothing when all is over."""
        with self._news:
            while True:
                self._news.wait_for(lambda: self._waiting or self._closed)
                taken: list[_Request] = []
                while self._waiting and (not taken or _fits(taken, self._waiting[0])):
                    request = self._waiting.popleft()
                    if request.answer.set_running_or_notify_cancel():
                        taken.append(request)
                WAITING.set(len(self._waiting))
                if taken or self._closed and not self._waiting:
                    return taken

    def _prepared(self, requests: Sequence[_Request]) -> list[_Together]:
        """Return what is ready for the database. Whatever goes wrong, those who wait are told."""
        try:
            base = self._bases.open(requests[0].base)
        except Exception as error:  # noqa: BLE001 - it is theirs
            _fail(requests, error)
            return []
        return [group for release, found in self._by_release(base, requests).items() for group in _prepared(base, release, found)]

    def _by_release(self, base: Base, requests: Sequence[_Request]) -> Mapping[int, list[_Request]]:
        pins: dict[Pin, int | Exception] = {}
        groups: dict[int, list[_Request]] = {}
        for request in requests:
            if request.pin not in pins:
                try:
                    pins[request.pin] = pinned_release(base, request.pin)
                except Exception as error:  # noqa: BLE001 - it is that request's
                    pins[request.pin] = error
            found = pins[request.pin]
            if isinstance(found, Exception):
                _fail([request], found)
            else:
                groups.setdefault(found, []).append(request)
        return groups

    def _answer(self, group: _Together) -> None:
        asked = [asked for request in group.requests for asked in request.asked]
        TOGETHER.observe(len(group.requests))
        try:
            hits = group.base.retriever.find(asked, group.prepared, group.release)
        except Exception as error:  # noqa: BLE001 - told below
            self._answer_alone(group, error)
            return
        at = 0
        for request in group.requests:
            own = slice(at, at + len(request.asked))
            request.answer.set_result(Answer(group.release, hits[own], [prepared.unread for prepared in group.prepared[own]]))
            at = own.stop

    def _answer_alone(self, group: _Together, error: Exception) -> None:
        """Let no request fail for what another one asked."""
        if len(group.requests) == 1:
            _fail(group.requests, error)
            return
        for request in group.requests:
            for alone in _prepared(group.base, group.release, [request]):
                self._answer(alone)


def _fits(taken: Sequence[_Request], request: _Request) -> bool:
    return request.base == taken[0].base and sum(len(r.asked) for r in taken) + len(request.asked) <= TOGETHER_MOST


def _prepared(base: Base, release: int, requests: Sequence[_Request]) -> list[_Together]:
    """Return requests with their vectors: together, or, where that fails, each that alone does not."""
    try:
        return [_Together(base, release, requests, base.retriever.prepare([asked.text for request in requests for asked in request.asked], release))]
    except Exception as error:  # noqa: BLE001 - told below
        if len(requests) > 1:
            return [group for request in requests for group in _prepared(base, release, [request])]
        _fail(requests, error)
        return []


def _fail(requests: Sequence[_Request], error: Exception) -> None:
    for request in requests:
        if not request.answer.done():
            request.answer.set_exception(error)
