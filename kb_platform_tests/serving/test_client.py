"""The client that applications install, against a running API; and against servers that fail in every way, over real sockets."""

import asyncio
import datetime as dt
import json
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

import kb_client
from kb_client import (
    Answer,
    AsyncClient,
    Busy,
    Client,
    Forbidden,
    KbClientError,
    KnowledgeBase,
    NotFound,
    Refused,
    Unauthorized,
    UnexpectedAnswer,
    Unreachable,
    messages,
    retries,
)
from kb_platform.serving import messages as served_messages
from kb_platform.storage.releases import promote
from kb_platform_tests.serving.apis import TIMEOUT, Api, api
from kb_platform_tests.serving.conftest import PHARMACY, TOPICS, WARDS, Served
from kb_platform_tests.waiting import wait_until

QUESTION = "who arranges visitors on the ward"


@pytest.fixture
def wards(open_api: Api) -> Iterator[KnowledgeBase]:
    """Yield a knowledge base as an application has it."""
    with Client(open_api.url, timeout=TIMEOUT, patience=TIMEOUT) as client:
        yield client.knowledge_base(WARDS)


def test_a_conversation_reads_one_release_whatever_is_promoted(wards: KnowledgeBase, served: Served) -> None:
    talk = wards.pinned()
    try:
        promote(served.wards, 1)
        assert (talk.search(QUESTION).release, wards.search(QUESTION).release, wards.release().release) == (2, 1, 1)
        assert talk.document("docs", "visitors/page one.md").release == 2
    finally:
        promote(served.wards, 2)
    assert wards.pinned(1).search(QUESTION).release == 1
    assert wards.pinned(as_of=dt.datetime.now(dt.UTC)).search(QUESTION, release=1).release == 1


def test_what_is_found_can_be_fetched_cited_and_judged(wards: KnowledgeBase) -> None:
    answer = wards.search(QUESTION, k=2, filters={"unit": "visitors"})
    hit = answer.hits[0]
    document, chunk = wards.document(hit.source, hit.doc_id, release=answer.release), wards.chunk(hit.chunk, release=answer.release)
    assert document.text[hit.start:hit.end] == chunk.content == hit.content
    assert hit.cited == f"docs/visitors/page one.md:{hit.start}-{hit.end}"
    assert wards.document(hit.source, hit.doc_id, start=hit.start, end=hit.end).text == hit.content
    assert document.metadata == chunk.metadata
    assert wards.give_feedback(answer.release, question=answer.question, helpful=True, chunks=[hit.chunk]) > 0
    assert [r.release for r in wards.releases().releases] == [2, 1]
    assert [a.hits[0].title for a in wards.search_many([f"who arranges {topic}" for topic in TOPICS], k=1)] == list(TOPICS)
    assert wards.client.knowledge_bases() == [PHARMACY, WARDS]


def test_the_client_that_awaits_finds_the_same(wards: KnowledgeBase, open_api: Api) -> None:
    async def ask() -> list[Any]:
        async with AsyncClient(open_api.url, timeout=TIMEOUT, patience=TIMEOUT) as client:
            base = client.knowledge_base(WARDS)
            pinned = await base.pinned()
            hit = (await pinned.search(QUESTION)).hits[0]
            return [await base.search(QUESTION), *await base.search_many([QUESTION]), await base.document(hit.source, hit.doc_id), await base.chunk(hit.chunk),
                    await base.releases(), await base.release(1), await client.knowledge_bases(), (await base.give_feedback(2, helpful=False)) > 0, pinned.pin.release]

    hit = wards.search(QUESTION).hits[0]
    assert asyncio.run(ask()) == [
        wards.search(QUESTION), wards.search(QUESTION), wards.document(hit.source, hit.doc_id), wards.chunk(hit.chunk), wards.releases(), wards.release(1),
        [PHARMACY, WARDS], True, 2]


def test_the_two_clients_offer_the_same() -> None:
    def offered(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    assert offered(kb_client.KnowledgeBase) == offered(kb_client.AsyncKnowledgeBase)
    assert offered(kb_client.Client) == offered(kb_client.AsyncClient)


def test_refusals_are_errors_of_their_kind(keyed_api: Api, served: Served) -> None:
    key = served.keys["its own, reading"]
    with Client(keyed_api.url, key, timeout=TIMEOUT) as client, Client(keyed_api.url, timeout=TIMEOUT) as nobody:
        assert client.knowledge_bases() == [PHARMACY]
        cases: list[tuple[type[Refused], str, Callable[[], object]]] = [
            (Forbidden, "forbidden", lambda: client.knowledge_base(WARDS).search("x")), (Forbidden, "forbidden", lambda: client.knowledge_base(PHARMACY).give_feedback(1, helpful=True)),
            (Unauthorized, "unauthorized", nobody.knowledge_bases), (NotFound, "unknown_release", lambda: client.knowledge_base(PHARMACY).search("x", release=9)),
            (NotFound, "not_found", lambda: client.knowledge_base(PHARMACY).chunk(10**6)), (Refused, "invalid", lambda: client.knowledge_base(PHARMACY).search(" ")),
            (NotFound, "not_found", lambda: client.knowledge_base(PHARMACY).document("docs", "../../v1")),
        ]
        for kind, code, call in cases:
            with pytest.raises(kind) as refused:
                call()
            assert refused.value.code == code
            assert code in str(refused.value)


def test_a_time_without_a_zone_and_two_pins_are_refused_before_anything_is_sent() -> None:
    base = Client("http://127.0.0.1:1").knowledge_base(WARDS)
    with pytest.raises(ValueError, match="zone"):
        base.search("x", as_of=dt.datetime(2026, 3, 1))  # noqa: DTZ001
    with pytest.raises(ValueError, match="at most one"):
        base.search("x", release=1, as_of=dt.datetime.now(dt.UTC))


@pytest.mark.parametrize("name", ["Answer", "Chunk", "Document", "Hit", "Place", "Release", "ReleaseList", "Result", "SameText", "SearchAnswer", "KnowledgeBases", "FeedbackKept"])
def test_values_of_the_client_are_those_that_are_served(name: str) -> None:
    def shape(model: type[BaseModel]) -> dict[str, bool]:
        return {field: info.is_required() for field, info in model.model_fields.items()}

    theirs = {"Hit": "HitMessage", "Chunk": "ChunkMessage", "Document": "DocumentMessage", "Release": "ReleaseMessage", "SameText": "SameTextMessage"}.get(name, name)
    if name == "Answer":
        both = shape(served_messages.SearchAnswer) | shape(served_messages.Result)
        assert shape(messages.Answer) == {field: required for field, required in both.items() if field != "results"}
    else:
        assert shape(getattr(messages, name)) == shape(getattr(served_messages, theirs))


# --- servers that fail


@contextmanager
def scripted(*answers: tuple[int, dict[str, str], bytes] | None) -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """Yield the URL of a server that gives these answers one after another, the last one for ever, and what it was asked; None hangs up."""
    asked: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        left: ClassVar[list[Any]] = list(answers)

        def do_GET(self) -> None:
            asked.append((f"{self.command} {self.path}", self.rfile.read(int(self.headers.get("Content-Length", 0)))))
            answer = self.left.pop(0) if len(self.left) > 1 else self.left[0]
            if answer is None:
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            status, headers, body = answer
            self.send_response(status)
            for header in (headers | {"Content-Length": str(len(body))}).items():
                self.send_header(*header)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


LIST = (200, {}, b'{"knowledge_bases": ["wards"], "added_later": 1}')
KEPT = (201, {}, b'{"feedback": 4}')
BUSY = (503, {"Retry-After": "0"}, b'{"title": "Too much to do", "detail": "later", "code": "busy"}')
LIMITED = (429, {"Retry-After": "0"}, b"{}")


def both(url: str, patience: float) -> Iterator[Callable[[], Sequence[str]]]:
    """Yield what lists knowledge bases by either client."""
    def sync() -> Sequence[str]:
        with Client(url, timeout=TIMEOUT, patience=patience) as client:
            return client.knowledge_bases()

    def awaited() -> Sequence[str]:
        async def ask() -> Sequence[str]:
            async with AsyncClient(url, timeout=TIMEOUT, patience=patience) as client:
                return await client.knowledge_bases()

        return asyncio.run(ask())

    yield from (sync, awaited)


def test_what_passes_is_tried_again_and_an_older_client_reads_a_newer_server() -> None:
    for number in range(2):
        with scripted(None, BUSY, LIMITED, None, LIST) as (url, asked):
            assert list(both(url, TIMEOUT))[number]() == ["wards"]
            assert len(asked) == 5


def test_patience_ends() -> None:
    for answer, kind in ((BUSY, Busy), ((503, {"Retry-After": "9999"}, b"{}"), Busy), ((429, {}, b"no json"), Busy), (None, Unreachable)):
        for number in range(2):
            with scripted(answer) as (url, asked):
                with pytest.raises(kind) as failed:
                    list(both(url, 0))[number]()
                assert len(asked) == 1
                assert isinstance(failed.value, KbClientError)
    with pytest.raises(Busy) as busy, scripted((503, {"Retry-After": "9999"}, b"{}")) as (url, asked):
        next(both(url, 5))()  # nobody waits for longer than their patience
    assert busy.value.retry_after == 9999


@pytest.mark.parametrize("answer", [(500, {}, b"{}"), (502, {}, b"<html>"), (200, {}, b"<html>"), (200, {}, b"{}"), (200, {}, b"[]"), (302, {"Location": "/x"}, b"")])
def test_what_is_no_answer_of_ours_is_one_error_at_once(answer: tuple[int, dict[str, str], bytes]) -> None:
    for number in range(2):
        with scripted(answer) as (url, asked):
            with pytest.raises(UnexpectedAnswer):
                list(both(url, TIMEOUT))[number]()
            assert len(asked) == 1


def test_feedback_that_may_have_arrived_is_not_sent_again() -> None:
    with scripted(None, KEPT) as (url, asked), Client(url, patience=TIMEOUT) as client:
        with pytest.raises(Unreachable):
            client.knowledge_base(WARDS).give_feedback(1, helpful=True)
        assert len(asked) == 1
    with scripted(BUSY, KEPT) as (url, asked), Client(url, patience=TIMEOUT) as client:
        assert client.knowledge_base(WARDS).give_feedback(1, helpful=True) == 4
        assert [json.loads(body)["release"] for _, body in asked] == [1, 1]


def test_names_cannot_lead_elsewhere() -> None:
    with scripted((404, {}, b"{}")) as (url, asked), Client(url) as client:
        for call in (lambda: client.knowledge_base("../x").release(), lambda: client.knowledge_base(WARDS).document("a/b", "c d/é?x#y")):
            with pytest.raises(NotFound):
                call()
    assert [line for line, _ in asked] == ["GET /v1/..%2Fx/releases/live", "GET /v1/wards/documents/a%2Fb/c%20d%2F%C3%A9%3Fx%23y?start=0"]


def test_pauses_grow_up_to_their_limit_and_never_beyond_what_is_left() -> None:
    grown = [retries.pause(attempt, None, 100) or 0 for attempt in range(12)]
    assert all(0.5 * retries.FIRST * 2**n <= wait <= retries.FIRST * 2**n for n, wait in enumerate(grown[:5]))
    assert all(retries.LONGEST / 2 <= wait <= retries.LONGEST for wait in grown[7:])
    assert (retries.pause(0, 3, 100), retries.pause(0, 3, 2), retries.pause(0, None, 0)) == (3, None, None)
    assert 0 < (retries.pause(5000, None, 100) or 0) <= retries.LONGEST, "patience may be long"
    assert retries.pause(0, 0, 100), "a server that asks for no pause is not asked without one"


# --- a server that is killed


def test_a_killed_server_is_a_clean_error_and_its_successor_is_found(served: Served) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    stop, outcomes = Event(), []

    def keep_asking(url: str) -> None:
        with Client(url, timeout=TIMEOUT, patience=0) as client:
            while not stop.is_set():
                try:
                    outcomes.append(client.knowledge_base(WARDS).search(QUESTION))
                except KbClientError as error:
                    outcomes.append(error)
                    return

    with api(served.settings, port=port) as running, ThreadPoolExecutor(4) as threads:
        asking = [threads.submit(keep_asking, running.url) for _ in range(4)]
        try:
            wait_until(lambda: len(outcomes) >= 20, "answers come")
            running.process.send_signal(signal.SIGKILL)
            for thread in asking:
                thread.result(TIMEOUT)
        finally:
            stop.set()
        assert sum(isinstance(outcome, Unreachable) for outcome in outcomes) == 4
        assert all(isinstance(outcome, Answer | Unreachable) for outcome in outcomes)
        assert {outcome.release for outcome in outcomes if isinstance(outcome, Answer)} == {2}
        with Client(running.url, timeout=TIMEOUT, patience=TIMEOUT) as patient:
            waiting = threads.submit(patient.knowledge_base(WARDS).search, QUESTION)
            with api(served.settings, port=port):
                assert waiting.result(TIMEOUT).release == 2


def test_promotion_and_rollback_meanwhile_mix_nothing(open_api: Api, served: Served) -> None:
    editions, stop = {1: "first edition", 2: "second edition"}, Event()

    def keep_asking(number: int) -> int:
        asked = 0
        with Client(open_api.url, timeout=TIMEOUT, patience=TIMEOUT) as client:
            base = client.knowledge_base(WARDS)
            while not stop.is_set() or asked < 5:
                answers = base.search_many([f"who arranges {topic}" for topic in TOPICS], k=3) if number % 2 else [base.search(QUESTION, k=6)]
                assert len({answer.release for answer in answers}) == 1
                for answer in answers:
                    assert answer.hits
                    assert all(editions[answer.release] in hit.content or "Call extension" in hit.content for hit in answer.hits)
                    assert not any(editions[3 - answer.release] in hit.content for hit in answer.hits)
                document = base.document("docs", "meals/page one.md")
                assert editions[document.release] in document.text
                asked += 1
        return asked

    with ThreadPoolExecutor(4) as threads:
        asking = [threads.submit(keep_asking, number) for number in range(4)]
        try:
            for turn in range(40):
                promote(served.wards, 1 + turn % 2)
        finally:
            promote(served.wards, 2)
            stop.set()
        assert all(thread.result(TIMEOUT) >= 5 for thread in asking)
