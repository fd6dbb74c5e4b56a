"""Questions that wait together are answered together, each as if alone; limits on how many wait, how often a key asks, how large a body is."""

import asyncio
import datetime as dt
from collections.abc import Iterator, Sequence
from concurrent.futures import wait
from threading import Event
from typing import Any

import pytest

from kb_platform.index.retrieve import Asked, Retriever
from kb_platform.knowledge.errors import StateError
from kb_platform.serving.bases import Bases
from kb_platform.serving.callers import Callers
from kb_platform.serving.problems import Problem
from kb_platform.serving.questions import TOGETHER_MOST, Questions
from kb_platform.serving.rates import Rates
from kb_platform.serving.services import Limits, Services
from kb_platform.storage.search import Hit
from kb_platform_tests.serving.apis import TIMEOUT, Api, api
from kb_platform_tests.serving.conftest import PHARMACY, TOPICS, WARDS, Served
from kb_platform_tests.waiting import wait_until


@pytest.fixture
def bases(served: Served) -> Bases:
    return Bases(served.settings.defs)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """Yield an event that all searches in the database wait for."""
    go, found = Event(), Retriever.find

    def find(self: Retriever, *arguments: Any) -> list[list[Hit]]:
        go.wait(TIMEOUT)
        return found(self, *arguments)

    monkeypatch.setattr(Retriever, "find", find)
    yield go
    go.set()


def titles(hits: Sequence[Sequence[Hit]]) -> list[str]:
    return [found[0].title for found in hits]


def test_requests_that_wait_are_answered_together_and_each_has_its_own(bases: Bases, held: Event, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared, prepare = [], Retriever.prepare
    monkeypatch.setattr(Retriever, "prepare", lambda self, texts, release: prepared.append(len(texts)) or prepare(self, texts, release))
    questions = Questions(bases, 100)
    first = [questions.ask(WARDS, [Asked("who arranges meals")], None) for _ in range(2)]
    wait_until(lambda: sum(prepared) == 2, "both threads are at work")
    pins = [None, 1, 2, dt.datetime.now(dt.UTC)]
    later = [(topic, pin, questions.ask(WARDS, [Asked(f"who arranges {topic.lower()}", 1), Asked("porters", 2)], pin)) for topic in TOPICS for pin in pins]
    other = questions.ask(PHARMACY, [Asked("vaccines")], None)
    held.set()
    wait([*first, other, *(answer for *_, answer in later)], TIMEOUT)
    for topic, pin, answer in later:
        found = answer.result(0)
        assert (found.release, titles(found.hits), [len(hits) for hits in found.hits]) == (1 if pin == 1 else 2, [topic, "Porters"], [1, 2])
        assert ("first" if pin == 1 else "second") in found.hits[0][0].content
    assert titles(other.result(0).hits) == ["Fridge"]
    assert max(prepared) > 2
    assert max(prepared) <= TOGETHER_MOST
    questions.close()


def test_what_is_wrong_with_one_request_is_no_matter_of_the_others(bases: Bases, held: Event) -> None:
    questions = Questions(bases, 100)
    busy = [questions.ask(WARDS, [Asked("meals")], None) for _ in range(2)]
    good = [questions.ask(WARDS, [Asked("porters")], None) for _ in range(3)]
    nowhere = questions.ask(WARDS, [Asked("porters")], 77)
    never = questions.ask(WARDS, [Asked("porters")], dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    broken = questions.ask(WARDS, [Asked("porters", where={"a": "\0"})], None)  # refused at the door, and by the database
    held.set()
    assert all(titles(answer.result(TIMEOUT).hits) == ["Porters"] for answer in good)
    assert all(answer.result(TIMEOUT).release == 2 for answer in busy)
    for answer in (nowhere, never):
        with pytest.raises(StateError):
            answer.result(TIMEOUT)
    assert broken.exception(TIMEOUT) is not None
    questions.close()


def test_more_than_may_wait_are_told_to_come_back(bases: Bases, held: Event) -> None:
    questions = Questions(bases, 3)
    at_work = [questions.ask(WARDS, [Asked("meals")], None)]
    wait_until(lambda: at_work[0].running(), "a thread has taken it")
    waiting = []
    with pytest.raises(Problem) as refused:
        while True:
            waiting.append(questions.ask(WARDS, [Asked("meals")] * TOGETHER_MOST, None))
    assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "1"})
    assert 3 <= len(waiting) <= 5  # what the two threads have taken, and three
    held.set()
    assert all(titles(answer.result(TIMEOUT).hits)[0] == "Meals" for answer in [*at_work, *waiting])
    questions.close()
    with pytest.raises(Problem):
        questions.ask(WARDS, [Asked("meals")], None)


def test_who_waits_too_long_is_told_and_costs_nothing_more(bases: Bases, held: Event) -> None:
    questions = Questions(bases, 100)
    services = Services(bases, Callers(None), questions, Limits(1, 2, 0.2))

    async def ask() -> list[Any]:
        asked = [services.ask(WARDS, [Asked("meals")], None) for _ in range(4)]
        fetched = [services.read(lambda: held.wait(TIMEOUT)) for _ in range(2)]
        return await asyncio.gather(*asked, *fetched, return_exceptions=True)

    for told in asyncio.run(ask()):
        assert isinstance(told, Problem)
        assert (told.status, told.code) == (503, "busy")
        assert "no answer within 0.2 s" in told.detail
    held.set()
    assert titles(questions.ask(WARDS, [Asked("meals")], None).result(TIMEOUT).hits) == ["Meals"]
    services.close()


def test_a_changed_definition_is_read_again(served: Served, bases: Bases) -> None:
    before = bases.open(WARDS)
    assert bases.open(WARDS) is before
    path = served.settings.defs / WARDS / "defs.yaml"
    text = path.read_text()
    path.write_text(text.replace("attributes:\n", "attributes:\n  search: {dense_weight: 0.25}\n"))
    try:
        assert bases.open(WARDS).retriever.parameters.dense_weight == 0.25
        assert bases.open(WARDS).database is before.database
    finally:
        path.write_text(text)


def test_a_bucket_fills_at_its_rate_and_holds_two_seconds_worth() -> None:
    now = [0.0]
    rates = Rates(lambda: now[0])
    assert [rates.take("a", 2) for _ in range(5)] == [0, 0, 0, 0, 0.5]
    assert rates.take("b", 2) == 0
    now[0] = 0.5
    assert rates.take("a", 2) == 0
    assert rates.take("a", 2, 3) == 1.5
    now[0] = 100
    assert rates.take("a", 2, 32) == 0  # more than a full bucket, out of a full one
    now[0] = 113.9
    assert rates.take("a", 2) > 0
    now[0] = 114.6
    assert rates.take("a", 2) == 0
    assert rates.take("slow", 0.1) == 0
    assert rates.take("slow", 0.1) == pytest.approx(10)


@pytest.fixture(scope="module")
def narrow_api(served: Served) -> Iterator[Api]:
    """Yield an API that waits for nobody."""
    with api(served.settings, timeout=1) as running:
        yield running


def test_a_body_that_is_too_large_is_refused_however_it_comes(open_api: Api) -> None:
    large = b'{"question": "' + b"x" * 300_000 + b'"}'
    told = open_api.http.post(f"/v1/{WARDS}/search", content=large, headers={"Content-Type": "application/json"})
    assert (told.status_code, told.json()["code"]) == (413, "too_large")
    pieces = open_api.http.post(f"/v1/{WARDS}/search", content=iter([large[:150_000], large[150_000:]]), headers={"Content-Type": "application/json"})
    assert (pieces.status_code, pieces.json()["code"]) == (413, "too_large")


def test_a_body_that_does_not_come_is_not_waited_for(narrow_api: Api) -> None:
    import socket

    host, _, port = narrow_api.url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=TIMEOUT) as half:
        half.sendall(f"POST /v1/{WARDS}/search HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{{".encode())
        assert half.recv(1000).startswith(b"HTTP/1.1 408 ")
