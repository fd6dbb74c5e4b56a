"""Embeddings over a real socket: the same vectors, what is asked again, what is refused, and what a failure says."""

import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kb_platform.index.bundled_model import bundled_space
from kb_platform.index.embed import Embedder, OpenVinoEmbedder, load_bundled_embedder
from kb_platform.index.embedders import Deployment, load_for
from kb_platform.index.embeddings_client import EmbeddingsEndpoint
from kb_platform.index.endpoint_embedder import EndpointEmbedder
from kb_platform.index.model_folder import space_of
from kb_platform.knowledge.errors import ConfigError, KbError, PermanentError, TransientError
from kb_platform.knowledge.spaces import EmbeddingChoice
from kb_platform_tests.quality.judges.scripted_endpoint import Reply, ScriptedEndpoint, error, serving

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
SPACE = space_of(EmbeddingChoice("endpoint:acme/embed-1", dimension=4, tokenizer="bundled"))
TEXTS = [f"text {i}" + " and more" * i for i in range(7)]

Script = Callable[[dict[str, Any]], Reply]


def embeddings(vectors: Sequence[Sequence[object]], **more: Any) -> Reply:
    data = [{"object": "embedding", "index": i, "embedding": list(vector)} for i, vector in enumerate(vectors)]
    return Reply(json.dumps({"object": "list", "data": data, "model": "m"} | more).encode())


def counting(request: dict[str, Any], **more: Any) -> Reply:
    """Return vectors from which each text can be told: its number and its length."""
    return embeddings([[float(text.split()[1]), len(text), 1.0, 0.5] for text in request["input"]], **more)


@contextmanager
def asking(script: Script, space: Any = SPACE, **limits: Any) -> Iterator[tuple[EndpointEmbedder, ScriptedEndpoint, list[float]]]:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    with serving(script, "/v1/embeddings") as scripted:
        endpoint = EmbeddingsEndpoint(f"http://127.0.0.1:{scripted.port}/v1", "acme/embed-1", **{"timeout": 120.0, "concurrency": 2, "batch": 3} | limits)
        yield EndpointEmbedder(space, endpoint, pause), scripted, pauses


def in_turn(*replies: Reply | Script) -> Script:
    waiting = iter(replies)

    def answer(request: dict[str, Any]) -> Reply:
        reply = next(waiting)
        return reply if isinstance(reply, Reply) else reply(request)

    return answer


def test_vectors_come_in_the_order_of_the_texts_and_of_length_one() -> None:
    with asking(counting, api_key="k1") as (embedder, scripted, pauses):
        vectors = embedder.embed(TEXTS)
        question = embedder.embed_query("text 3")
    assert vectors.shape == (7, 4) and vectors.dtype == np.float32
    expected = np.array([[i, len(text), 1, 0.5] for i, text in enumerate(TEXTS)])
    np.testing.assert_allclose(vectors, expected / np.linalg.norm(expected, axis=1, keepdims=True), rtol=1e-6)
    assert question.shape == (4,)
    assert sorted(len(request["input"]) for request in scripted.requests) == [1, 1, 3, 3]
    assert {request["model"] for request in scripted.requests} == {"acme/embed-1"}
    assert (scripted.authorization, pauses, scripted.most_open <= 2) == ({"Bearer k1"}, [], True)


def test_no_text_asks_nothing() -> None:
    with asking(counting) as (embedder, scripted, _):
        assert embedder.embed([]).shape == (0, 4)
    assert scripted.requests == []


def test_prefixes_are_sent_and_lengths_are_kept_where_the_space_says_so() -> None:
    space = replace(SPACE, query_prefix="query: ", passage_prefix="passage: ", normalize=False)
    script = lambda request: embeddings([[len(text), 0, 0, 3.0] for text in request["input"]])  # noqa: E731
    with asking(script, space) as (embedder, scripted, _):
        assert embedder.embed(["dose"])[0].tolist() == [13, 0, 0, 3]
        embedder.embed_query("dose")
    assert [request["input"] for request in scripted.requests] == [["passage: dose"], ["query: dose"]]


def test_a_text_beyond_the_limit_is_never_sent_and_a_question_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    with asking(lambda request: embeddings([[1, 2, 3, 4]] * len(request["input"]))) as (embedder, scripted, _):
        with pytest.raises(PermanentError, match=r"257 tokens in text 1.*at most 256"):
            embedder.embed(["short", "dose " * 255])
        assert scripted.requests == []
        embedder.embed_query("dose " * 300)
    assert len(scripted.requests[0]["input"][0].split()) == 254
    assert "cut at 254" in caplog.text


def test_a_lost_connection_and_an_absent_server_are_asked_again() -> None:
    with asking(in_turn(lambda r: replace(counting(r), cut=True), error(503), counting)) as (embedder, scripted, pauses):
        assert embedder.embed(TEXTS[:2]).shape == (2, 4)
    assert (len(scripted.requests), pauses) == (3, [1.0, 2.0])


def test_nobody_at_the_address_is_transient() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = EmbeddingsEndpoint(f"http://127.0.0.1:{taken.getsockname()[1]}/v1", "m")

        async def pause(_seconds: float) -> None: ...

        with pytest.raises(TransientError, match="ConnectError, asked 3 times"):
            EndpointEmbedder(SPACE, endpoint, pause).embed(["text 1"])


@pytest.mark.parametrize("slow", [{"delay": 1.0}, {"drip": 0.02}])
def test_a_slow_endpoint_is_left_at_the_timeout(slow: dict[str, float]) -> None:
    words = r"no answer within 0\.3 s, asked 3 times.*KB_EMBEDDER_TIMEOUT"
    script = lambda request: replace(counting(request), **slow)  # noqa: E731
    with asking(script, timeout=0.3) as (embedder, scripted, pauses), pytest.raises(TransientError, match=words):
        embedder.embed(["text 1"])
    assert pauses == [1.0, 2.0]
    assert len(scripted.requests) <= 3  # one that was given up before the busy server had read it is not among them


def test_a_rate_limit_is_waited_out_as_long_as_it_says_or_longer_and_longer() -> None:
    with asking(in_turn(error(429, retry_after="7"), error(429), counting)) as (embedder, scripted, pauses):
        embedder.embed(["text 1"])
    assert len(scripted.requests) == 3
    assert {7.0, 2.0} <= set(pauses)
    with asking(lambda _: error(429)) as (embedder, scripted, pauses), pytest.raises(TransientError, match="429, asked 5 times"):
        embedder.embed(["text 1"])
    assert len(scripted.requests) == 5
    with asking(lambda _: error(429, retry_after="3600")) as (embedder, scripted, pauses), pytest.raises(TransientError, match="lasts 3600 s more"):
        embedder.embed(["text 1"])
    assert (len(scripted.requests), pauses) == (1, [])


def spoiled(**vector: Any) -> Script:
    """Return a script whose second vector has other parts."""
    def script(request: dict[str, Any]) -> Reply:
        value = json.loads(counting(request).body)
        value["data"][1] |= vector
        return Reply(json.dumps(value).encode())

    return script


def reordered(request: dict[str, Any]) -> Reply:
    value = json.loads(counting(request).body)
    value["data"].reverse()
    return Reply(json.dumps(value).encode())


@pytest.mark.parametrize(("script", "kind", "says"), [
    (lambda _: error(500), TransientError, "500; see the endpoint's log"),
    (lambda _: error(400, "context_length_exceeded"), PermanentError, r"400 \(context_length_exceeded\)"),
    (lambda _: error(400, "bad SECRET code"), PermanentError, "400$"),
    (lambda _: error(401), PermanentError, "check KB_EMBEDDER_API_KEY"),
    (lambda _: error(404), PermanentError, "check KB_EMBEDDER_URL"),
    (lambda _: error(413), PermanentError, "lower KB_EMBEDDER_BATCH"),
    (lambda _: error(307, location="http://127.0.0.1:9/v1/embeddings"), ConfigError, "a redirect, which is not followed"),
    (lambda _: Reply(b"<html>busy</html>"), PermanentError, "17 bytes that are no list of embeddings"),
    (lambda r: Reply(counting(r).body[:-9]), PermanentError, "no list of embeddings"),
    (lambda _: Reply(b'{"data": {}}'), PermanentError, "no list of embeddings"),
    (lambda _: embeddings([[1, 2, 3, 4]]), PermanentError, "1 vectors for 2 texts"),
    (lambda _: embeddings([[1, 2, 3, 4]] * 3), PermanentError, "3 vectors for 2 texts"),
    (lambda _: embeddings([[1, 2, 3]] * 2), PermanentError, "vectors of 3 dimensions; expected 4"),
    (spoiled(embedding=[1.0, 2.0]), PermanentError, "vectors of 2, 4 dimensions; expected 4"),
    (spoiled(embedding=[1.0, float("nan"), 1.0, 1.0]), PermanentError, "no finite number"),
    (spoiled(embedding=[1.0, 1e300, 1.0, 1.0]), PermanentError, "no finite number"),
    (spoiled(embedding=[1.0, None, 1.0, 1.0]), PermanentError, "no finite number"),
    (spoiled(embedding=[1.0, [2.0], 1.0, 1.0]), PermanentError, "no finite number"),
    (spoiled(embedding=[1.0, "2.0", 1.0, 1.0]), PermanentError, "no finite number"),
    (spoiled(embedding=[0, 0, 0, 0]), PermanentError, "a vector of length 0"),
    (spoiled(embedding="AACAPwAAgD8="), PermanentError, "no list; expected encoding_format float"),
    (spoiled(index=0), PermanentError, "another order than the texts"),
    (reordered, PermanentError, "another order than the texts"),
    (lambda r: counting(r, usage={"prompt_tokens": 3}), PermanentError, "read 3 tokens of texts that have 6; expected whole texts"),
])  # fmt: skip
def test_what_an_endpoint_gets_wrong_is_asked_once_and_named(script: Script, kind: type[KbError], says: str) -> None:
    with asking(script) as (embedder, scripted, pauses), pytest.raises(KbError, match=says) as caught:
        embedder.embed(TEXTS[:2])
    assert type(caught.value) is kind
    assert (len(scripted.requests), pauses) == (1, [])
    assert "acme/embed-1 at http://127.0.0.1" in str(caught.value)
    assert "SECRET" not in str(caught.value) and "text 1" not in str(caught.value)


@pytest.mark.parametrize("usage", [{"prompt_tokens": 6}, {"prompt_tokens": 10}, {"prompt_tokens": 0}, {}, None])
def test_a_count_of_whole_texts_or_none_is_taken(usage: object) -> None:
    with asking(lambda request: counting(request, usage=usage)) as (embedder, _, _):
        assert embedder.embed(TEXTS[:2]).shape == (2, 4)


def test_one_failed_request_ends_the_others() -> None:
    released, answered = threading.Event(), list[str]()

    def script(request: dict[str, Any]) -> Reply:
        if "text 3" in str(request):
            return error(400)
        released.wait()
        answered.append(str(request))
        return counting(request)

    with asking(script, batch=1, concurrency=7) as (embedder, _, _):
        try:
            with pytest.raises(PermanentError, match="400"):
                embedder.embed(TEXTS)
            assert answered == []
        finally:
            released.set()


def test_who_gives_up_is_not_kept_waiting() -> None:
    given_up = threading.Event()

    def script(request: dict[str, Any]) -> Reply:
        given_up.set()
        return replace(counting(request), delay=1.5)

    with asking(script, batch=1, concurrency=1) as (embedder, scripted, _), pytest.raises(CancelledError):
        embedder.embed(TEXTS, given_up.is_set)
    assert len(scripted.requests) == 1


@pytest.fixture(scope="module")
def local() -> OpenVinoEmbedder:
    return load_bundled_embedder()


def served_by(embedder: Embedder, first: int = 0) -> Script:
    """Return a script that computes with a model; `first` exchanges vectors, as another model would have others."""
    return lambda request: embeddings(np.roll(embedder.embed(request["input"]), first, axis=0).tolist())


def deployment(scripted: ScriptedEndpoint, **more: Any) -> Deployment:
    return Deployment("endpoint", endpoint=EmbeddingsEndpoint(f"http://127.0.0.1:{scripted.port}/v1", "", **more))


def test_an_endpoint_with_the_models_own_vectors_stands_in_for_it(local: OpenVinoEmbedder) -> None:
    with serving(served_by(local), "/v1/embeddings") as scripted:
        embedder = load_for(bundled_space(), deployment(scripted))
        vectors = embedder.embed(TEXTS)
    assert (vectors * local.embed(TEXTS)).sum(axis=1).min() > 0.9999
    assert {request["model"] for request in scripted.requests} == {"sentence-transformers/all-MiniLM-L6-v2"}


def test_an_endpoint_with_other_vectors_is_refused_before_any_is_stored(local: OpenVinoEmbedder) -> None:
    with serving(served_by(local, first=1), "/v1/embeddings") as scripted, pytest.raises(ConfigError, match=r"vectors at cosine -?0\.\d+ to those of the model"):
        load_for(bundled_space(), deployment(scripted))


def test_an_endpoint_that_scales_vectors_is_refused_where_lengths_are_kept(local: OpenVinoEmbedder) -> None:
    space = space_of(EmbeddingChoice(normalize=False))
    with serving(served_by(local), "/v1/embeddings") as scripted, pytest.raises(ConfigError, match=r"lengths \d+% apart"):
        load_for(space, deployment(scripted))


def test_leading_dimensions_are_cut_here(local: OpenVinoEmbedder) -> None:
    with serving(served_by(local), "/v1/embeddings") as scripted:
        assert load_for(space_of(EmbeddingChoice(dimension=100)), deployment(scripted)).embed(TEXTS).shape == (7, 100)


def test_a_space_that_only_an_endpoint_has_is_asked_there_whatever_else_is_set() -> None:
    with serving(counting, "/v1/embeddings") as scripted:
        chosen = replace(deployment(scripted), kind="cpu")
        assert load_for(SPACE, chosen).embed(TEXTS).shape == (7, 4)
        assert isinstance(load_for(bundled_space(), chosen), OpenVinoEmbedder)
    assert {request["model"] for request in scripted.requests} == {"acme/embed-1"}
    with pytest.raises(ConfigError, match="KB_EMBEDDER_URL is not set"):
        load_for(SPACE, Deployment())


def test_the_key_is_not_shown() -> None:
    assert "hunter2" not in repr(EmbeddingsEndpoint("http://127.0.0.1/v1", "m", api_key="hunter2"))
