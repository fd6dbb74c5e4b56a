"""The tools `search` and `fetch`, asked by the protocol's own client: over HTTP with keys and without, and over standard input and output."""

import asyncio
import json
import os
import sys
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from kb_platform.local.environment import environment
from kb_platform_tests.serving.apis import TIMEOUT, Api
from kb_platform_tests.serving.conftest import PHARMACY, WARDS, Served

QUESTION = "who arranges visitors on the ward"


def call(server: Any, *calls: tuple[str, dict[str, Any]], key: str | None = None) -> list[Any]:
    """Return the results of some calls in one connection."""

    async def asked() -> list[Any]:
        async with AsyncExitStack() as open_:
            to: Any = server
            if key is not None:
                http = await open_.enter_async_context(httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=TIMEOUT))
                to = streamable_http_client(server, http_client=http)
            client = await open_.enter_async_context(Client(to, read_timeout_seconds=TIMEOUT))
            tools = (await client.list_tools()).tools
            assert {tool.name for tool in tools} == {"search", "fetch"}
            assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)
            return [await client.call_tool(name, arguments) for name, arguments in calls]

    return asyncio.run(asked())


def check_tools(server: Any, key: str | None = None) -> None:
    (found, pinned) = call(server, ("search", {"query": QUESTION, "knowledge_base": WARDS, "k": 2}),
                           ("search", {"query": QUESTION, "knowledge_base": WARDS, "release": 1, "filters": {"unit": "visitors"}}), key=key)
    assert not found.is_error
    answer = found.structured_content
    assert (answer["knowledge_base"], answer["release"], len(answer["results"])) == (WARDS, 2, 2)
    assert json.loads(found.content[0].text) == answer
    hit = answer["results"][0]
    assert hit["title"] == "Visitors"
    assert "second edition" in hit["text"]
    old = pinned.structured_content["results"][0]
    (new_document, old_document) = call(server, ("fetch", {"id": hit["id"]}), ("fetch", {"id": old["id"]}), key=key)
    document = new_document.structured_content
    assert hit["text"] in document["text"]
    assert document["metadata"]["unit"] == "visitors"
    assert (document["url"], document["start"], document["length"]) == ("docs/visitors/page one.md", 0, len(document["text"]))
    assert "first edition" in old_document.structured_content["text"]


@pytest.mark.parametrize(("name", "arguments", "said"), [
    ("search", {"query": QUESTION}, "name one: pharmacy, wards"), ("search", {"query": "x", "knowledge_base": "none"}, "No such knowledge base"),
    ("search", {"query": "x", "knowledge_base": "../x"}, "No such knowledge base"), ("search", {"query": "x", "knowledge_base": WARDS, "release": 7}, "release 7"),
    ("search", {"query": " ", "knowledge_base": WARDS}, "expected words"), ("search", {"query": "x", "knowledge_base": WARDS, "k": 0}, "k: expected at least 1"),
    ("search", {"k": "many", "filters": {"a": []}}, "k: expected a whole number; filters.a: expected at most 1000 characters but NUL, a number, true or false"),
    ("search", {"k": 5}, "query: is missing"),
    ("fetch", {"id": "x"}, "No such id"), ("fetch", {"id": f"{WARDS}/2/999999"}, "No such chunk"), ("fetch", {"id": f"{WARDS}/9/1"}, "release 9"),
    ("fetch", {"id": f"{WARDS}/9999999999/1"}, "No such id"), ("fetch", {"id": "none/1/1"}, "No such knowledge base"),
])
def test_what_cannot_be_answered_is_said_in_words(open_api: Api, name: str, arguments: dict[str, Any], said: str) -> None:
    (result,) = call(f"{open_api.url}/mcp", (name, arguments))
    assert result.is_error
    assert said in result.content[0].text, result.content[0].text
    assert "pydantic" not in result.content[0].text


def test_a_name_that_is_a_path_opens_nothing(open_api: Api, served: Served) -> None:
    paths = (f"../{served.settings.defs.name}/{WARDS}", f"{WARDS}/../{WARDS}", f"./{WARDS}", str(served.settings.defs / WARDS), f"{WARDS}\0")
    for result in call(f"{open_api.url}/mcp", *(("search", {"query": "x", "knowledge_base": path}) for path in paths)):
        assert result.is_error
        assert "No such knowledge base" in result.content[0].text


def test_no_stream_is_held_for_what_never_comes(open_api: Api) -> None:
    answer = open_api.http.get("/mcp", headers={"Accept": "text/event-stream"})
    assert (answer.status_code, answer.headers["allow"], answer.json()["code"]) == (405, "POST", "invalid")


def test_tools_over_http(open_api: Api) -> None:
    check_tools(f"{open_api.url}/mcp")
    assert "Xanthippe" not in open_api.log.read_text()


def test_an_open_server_refuses_other_sites_at_the_tools_too(open_api: Api) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"X-Forwarded-For": "10.0.0.1"}):
        assert open_api.http.post("/mcp", json=body, headers=headers).status_code == 421


def test_tools_heed_keys_and_grants(keyed_api: Api, served: Served) -> None:
    every, one = served.keys["every, reading"], served.keys["its own"]
    url = f"{keyed_api.url}/mcp"
    check_tools(url, every)
    found, refused, fetched = call(url, ("search", {"query": "vaccines"}), ("search", {"query": "x", "knowledge_base": WARDS}), ("fetch", {"id": f"{WARDS}/1/1"}),
                                   key=one)
    assert found.structured_content["knowledge_base"] == PHARMACY  # the only one that this key may read
    for result in (refused, fetched):
        assert result.is_error
        assert "no such grant" in result.content[0].text
    for headers in ({}, {"Authorization": "Bearer kb_no"}, {"Authorization": f"Basic {one}"}):
        answer = keyed_api.http.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, headers=headers)
        assert (answer.status_code, answer.json()["code"], answer.headers["www-authenticate"]) == (401, "unauthorized", "Bearer")


def test_tools_over_standard_input_and_output(served: Served) -> None:
    own = {k: v for k, v in os.environ.items() if not k.startswith("KB_")} | environment(served.settings)
    check_tools(StdioServerParameters(command=sys.executable, args=["-c", "from kb_platform.cli import main; main()", "mcp"], env=own))
