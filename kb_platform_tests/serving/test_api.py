"""What the search API answers, over a real socket: one release at a time, texts that stand where it says, feedback that is kept."""

import datetime as dt
from typing import Any

import psycopg
import pytest

from kb_platform.cli import session
from kb_platform.cli.queries import make_retriever
from kb_platform.serving.hits_text import as_object
from kb_platform.storage.releases import live_release, promote
from kb_platform_tests.serving.apis import Api
from kb_platform_tests.serving.conftest import PHARMACY, TOPICS, WARDS, Served

QUESTION = "who arranges visitors on the ward"
SEARCH = f"/v1/{WARDS}/search"


def test_a_search_finds_what_this_process_finds(open_api: Api) -> None:
    answer = open_api.search(WARDS, QUESTION, k=3)
    retriever, live = make_retriever(session.knowledge_base(WARDS), "reader", None)
    alone = [as_object(hit) for hit in retriever.search(QUESTION, live, k=3)]
    (result,) = answer["results"]
    assert (answer["release"], result["question"]) == (2, QUESTION)
    assert [list(hit) for hit in result["hits"]] == [list(hit) for hit in alone]
    assert [hit["content"] for hit in result["hits"]] == [hit["content"] for hit in alone]
    assert [hit["score"] for hit in result["hits"]] == pytest.approx([hit["score"] for hit in alone], abs=2e-3)


def test_asked_by_address_or_by_body_the_answer_is_the_same(open_api: Api) -> None:
    got = open_api.get(SEARCH, params={"question": QUESTION, "k": 2, "filter": "unit=visitors"}).json()
    assert got == open_api.search(WARDS, QUESTION, k=2, filters={"unit": "visitors"})
    assert {hit["doc_id"] for hit in got["results"][0]["hits"]} == {"visitors/page one.md"}


def test_many_questions_are_answered_in_their_order_from_one_release(open_api: Api) -> None:
    questions = [f"who arranges {topic.lower()}" for topic in TOPICS]
    answer = open_api.post(SEARCH, {"questions": questions, "k": 1}).json()
    assert [result["question"] for result in answer["results"]] == questions
    assert [result["hits"][0]["title"] for result in answer["results"]] == list(TOPICS)


def test_a_pinned_release_and_a_time_are_read_whatever_is_live(open_api: Api, served: Served) -> None:
    with served.wards.transaction("owner") as c:
        first, second = (row[0] for row in c.execute("select at from promotion_log order by id limit 2"))
    assert second > first
    pinned = open_api.search(WARDS, QUESTION, release=1)
    assert pinned["release"] == 1
    assert "first edition" in pinned["results"][0]["hits"][0]["content"]
    between = first + (second - first) / 2
    assert open_api.search(WARDS, QUESTION, as_of=between.isoformat()) == pinned
    assert open_api.get(SEARCH, params={"question": QUESTION, "as_of": between.isoformat()}).json() == pinned
    assert open_api.search(WARDS, QUESTION, as_of=dt.datetime.now(dt.UTC).isoformat())["release"] == 2
    before = open_api.post(SEARCH, {"question": QUESTION, "as_of": "2020-01-01T00:00:00Z"})
    assert (before.status_code, before.json()["code"]) == (404, "unknown_release")
    assert "nothing was promoted by 2020-01-01" in before.json()["detail"]


def test_a_chunk_and_its_document_say_the_same_at_the_same_place(open_api: Api) -> None:
    hit = open_api.search(WARDS, QUESTION)["results"][0]["hits"][0]
    chunk = open_api.get(f"/v1/{WARDS}/chunks/{hit['chunk']}").json()
    assert {name: chunk[name] for name in ("chunk", "source", "doc_id", "title", "start", "end", "content")} == {
        name: hit[name] for name in ("chunk", "source", "doc_id", "title", "start", "end", "content")}
    document = open_api.get(f"/v1/{WARDS}/documents/{hit['source']}/{hit['doc_id']}").json()
    assert document["metadata"] == chunk["metadata"]
    assert document["metadata"]["unit"] == "visitors"
    assert (document["release"], document["day"], document["media_type"]) == (2, "2026-03-02", "text/markdown")
    assert document["text"][hit["start"]:hit["end"]] == hit["content"]
    assert {"chunk": hit["chunk"], "start": hit["start"], "end": hit["end"]} in document["chunks"]
    part = open_api.get(f"/v1/{WARDS}/documents/{hit['source']}/{hit['doc_id']}", params={"start": hit["start"], "end": hit["end"]}).json()
    assert (part["text"], part["start"], part["length"]) == (hit["content"], hit["start"], document["length"])


def test_a_document_of_a_pinned_release_is_what_it_was(open_api: Api) -> None:
    path = f"/v1/{WARDS}/documents/docs/visitors/page one.md"
    assert "first edition" in open_api.get(path, params={"release": 1}).json()["text"]
    assert "second edition" in open_api.get(path).json()["text"]
    old = open_api.search(WARDS, QUESTION, release=1)["results"][0]["hits"][0]["chunk"]
    assert open_api.get(f"/v1/{WARDS}/chunks/{old}").json()["code"] == "not_found"
    assert "first edition" in open_api.get(f"/v1/{WARDS}/chunks/{old}", params={"release": 1}).json()["content"]


def test_releases_are_told_as_they_are(open_api: Api, served: Served) -> None:
    told = open_api.get(f"/v1/{WARDS}/releases").json()
    assert told["live"] == 2
    assert [(r["release"], r["live"], r["readable"], r["status"]) for r in told["releases"]] == [(2, True, True, "promoted"), (1, False, True, "retired")]
    assert open_api.get(f"/v1/{WARDS}/releases/live").json() == told["releases"][0] == open_api.get(f"/v1/{WARDS}/releases/2").json()
    assert told["releases"][1]["documents"] == len(TOPICS)
    promote(served.wards, 1)
    try:
        assert open_api.get(f"/v1/{WARDS}/releases/live").json()["release"] == 1
        assert open_api.search(WARDS, QUESTION)["release"] == 1
    finally:
        promote(served.wards, 2)
    assert live_release(served.wards) == 2


@pytest.mark.parametrize(("path", "code"), [
    (f"/v1/{WARDS}/releases/3", "unknown_release"), (f"/v1/{WARDS}/releases/9999999999", "unknown_release"), (f"/v1/{WARDS}/chunks/999999", "not_found"),
    (f"/v1/{WARDS}/chunks/1?release=7", "unknown_release"), (f"/v1/{WARDS}/documents/docs/none.md", "not_found"),
    (f"/v1/{WARDS}/documents/other/visitors/page one.md", "not_found"), ("/v1/none/releases", "unknown_knowledge_base"),
    ("/v1/none/search?question=x", "unknown_knowledge_base"), ("/v1/none/chunks/1", "unknown_knowledge_base"), ("/v1/Wards/releases", "invalid"),
    (f"/v1/{WARDS}/nothing", "not_found"), (f"/v1/{WARDS}/chunks/0", "invalid"), (f"/v1/{WARDS}/chunks/x", "invalid"),
    (f"{SEARCH}?question=%20", "invalid"), (f"{SEARCH}?question=x&k=0", "invalid"), (f"{SEARCH}?question=x&filter=unit", "invalid"),
    (f"{SEARCH}?question=x&release=1&as_of=2026-03-01T00:00:00Z", "invalid"), (f"{SEARCH}?question=x&as_of=2026-03-01", "invalid"),
    (f"{SEARCH}?question=%00", "invalid"), ("/v1/", "not_found"), ("/v1/none/releases/", "not_found"),
])
def test_what_is_not_there_or_not_understood_is_told_in_one_shape(open_api: Api, path: str, code: str) -> None:
    answer = open_api.get(path)
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert set(problem) == {"type", "title", "status", "code", "detail"}
    assert (problem["code"], problem["status"]) == (code, answer.status_code)


@pytest.mark.parametrize("body", [
    {}, {"question": "x", "questions": ["y"]}, {"question": ""}, {"question": "x" * 4001}, {"questions": []}, {"questions": ["x"] * 33},
    {"questions": ["x"] * 32, "k": 1000}, {"question": "x", "k": 1001}, {"question": "x", "release": 1, "as_of": "2026-03-01T00:00:00Z"},
    {"question": "x", "filters": {"a": [1]}}, {"question": "x", "filters": {"a": "\0"}}, {"question": "x", "filters": {"": "a"}},
    {"question": "x", "release": 2**31}, {"question": "x", "colour": "red"}, [], "x", None, 3,
])
def test_a_body_that_cannot_be_meant_is_refused(open_api: Api, body: Any) -> None:
    answer = open_api.post(SEARCH, body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), answer.text


@pytest.mark.parametrize("path", [f"{SEARCH}?question=x&filters=unit=visitors", f"{SEARCH}?question=x&releases=1", f"/v1/{WARDS}/chunks/1?as-of=2026-03-01T00:00:00Z",
                                  f"/v1/{WARDS}/documents/docs/visitors/page one.md?length=3", f"/v1/{WARDS}/releases?live=true", "/v1?k=1"])
def test_a_parameter_that_nothing_reads_is_a_mistake(open_api: Api, path: str) -> None:
    answer = open_api.get(path)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), answer.text
    unknown = path.rpartition("=")[0].rpartition("&" if "&" in path else "?")[2].partition("=")[0]
    assert answer.json()["detail"].startswith(f"query.{unknown}: expected ")


@pytest.mark.parametrize(("body", "said"), [
    ({"question": "x" * 4001}, "body.question: expected at most 4000 characters"),
    ({"question": "x", "filters": {"a": None}}, "body.filters.a: expected at most 1000 characters but NUL, a number, true or false"),
    ({"question": "x", "filters": {"a": "y" * 1001}}, "body.filters.a: expected at most 1000 characters but NUL, a number, true or false"),
    ({"question": "x", "filters": {"a" * 201: "y"}}, f"body.filters.{'a' * 201}.[key]: expected at most 200 characters"),
])
def test_what_is_wrong_with_a_body_is_said_in_words(open_api: Api, body: Any, said: str) -> None:
    assert open_api.post(SEARCH, body).json()["detail"] == said


@pytest.mark.parametrize("content", [b'{"question": "\xff"}', b'{"question": NaN}', b'{"question": "x", "filters": {"a": NaN}}', b"{", b"", b'{"question": "\\ud800"}',
                                     b'{"\\ud800": 1}', b'{"question": "x", "k": ' + b"9" * 5000 + b"}"])
def test_bytes_that_are_no_message_are_refused(open_api: Api, content: bytes) -> None:
    answer = open_api.http.post(SEARCH, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.json()["code"] == "invalid"


def test_filters_compare_as_the_command_does(open_api: Api) -> None:
    for wrong in ({"unit": 'x" || true'}, {'a" == 1 || "b': "c"}, {"unit": True}, {"unit": 3}, {"unit": 1e300}):
        assert open_api.search(WARDS, QUESTION, filters=wrong)["results"][0]["hits"] == []


def test_feedback_is_kept_with_the_knowledge_base_and_never_changes(open_api: Api, served: Served) -> None:
    sent = {"release": 1, "question": QUESTION, "helpful": False, "chunks": [1, 2], "comment": "the desk has moved"}
    answer = open_api.post(f"/v1/{WARDS}/feedback", sent)
    assert answer.status_code == 201
    with served.wards.transaction("gate") as c:
        rows = c.execute("select feedback_id, release_id, question, helpful, chunks, comment, by_key from feedback where comment = %s", (sent["comment"],)).fetchall()
    assert rows == [(answer.json()["feedback"], 1, QUESTION, False, [1, 2], "the desk has moved", "loopback")]
    for role in ("owner", "reader", "gate", "writer", "promoter"):
        for statement in ("update feedback set comment = ''", "delete from feedback", "truncate feedback"):
            with pytest.raises(psycopg.Error), served.wards.transaction(role) as c:
                c.execute(statement.encode())
    with pytest.raises(psycopg.errors.InsufficientPrivilege), served.wards.transaction("reader") as c:
        c.execute("select * from feedback")
    unread = open_api.post(f"/v1/{WARDS}/feedback", sent | {"release": 3})
    assert (unread.status_code, unread.json()["code"]) == (404, "unknown_release")
    assert open_api.post(f"/v1/{WARDS}/feedback", {"release": 1, "comment": " "}).status_code == 422


def test_no_log_and_no_metric_holds_what_was_asked_or_found(open_api: Api) -> None:
    secret = "Xanthippe Quackenbush 1947"
    found = open_api.search(WARDS, f"where does {secret} live", filters={"unit": secret})
    assert found["results"][0]["hits"] == []
    open_api.get(SEARCH, params={"question": secret})
    open_api.post(f"/v1/{WARDS}/feedback", {"release": 1, "question": secret, "comment": secret})
    open_api.post(SEARCH, {"question": secret, "k": secret})
    open_api.get(f"/v1/{WARDS}/documents/docs/{secret}")
    log = open_api.log.read_text()
    assert "Xanthippe" not in log
    assert "edition" not in log
    assert {"method": "POST", "route": "/v1/{kb}/search", "status": 200, "caller": "loopback"}.items() <= open_api.said()[-1].items() or any(
        line.get("route") == "/v1/{kb}/search" for line in open_api.said())


def test_the_interface_describes_itself(open_api: Api) -> None:
    told = open_api.get("/v1/openapi.json").json()
    assert set(told["paths"]) == {
        "/v1", "/v1/{kb}/search", "/v1/{kb}/chunks/{chunk}", "/v1/{kb}/documents/{source}/{doc_id}", "/v1/{kb}/releases", "/v1/{kb}/releases/{release}",
        "/v1/{kb}/feedback"}
    for methods in told["paths"].values():
        for operation in methods.values():
            assert operation["security"] == [{"HTTPBearer": []}]
            assert {"401", "403", "404", "422", "429", "503"} <= set(operation["responses"])
    assert open_api.get("/v1").json() == {"knowledge_bases": [PHARMACY, WARDS]}
