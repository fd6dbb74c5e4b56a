"""Calls of a model over a real socket: what is asked again, what is not, and what a failure says."""

import asyncio
import json
import socket
from typing import Any

import pytest
from pydantic import BaseModel

from kb_platform.quality.judges.chat import Chat, Meter
from kb_platform.quality.judges.endpoint import CallFailed, Endpoint, Failure, Usage
from kb_platform_tests.quality.judges.scripted_endpoint import Reply, agreeing, completion, error, serving

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


class Color(BaseModel):
    """What the tests ask for."""

    name: str
    parts: list[int]


GOOD = completion('{"name": "red", "parts": [1]}')


def ask(endpoint: Endpoint, meter: Meter | None = None) -> tuple[Color | CallFailed, list[float]]:
    """Return the reply or the failure, and the pauses that were made."""
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async def call() -> Color | CallFailed:
        async with Chat(endpoint, pause) as chat:
            try:
                return await chat.ask("a colour, please", Color, meter or Meter())
            except CallFailed as failed:
                return failed

    return asyncio.run(call()), pauses


def in_turn(*replies: Reply) -> Any:
    waiting = iter(replies)
    return lambda _request: next(waiting)


def test_a_good_reply_is_a_value_and_its_tokens_are_priced() -> None:
    meter = Meter()
    with serving(lambda _: GOOD) as scripted:
        value, pauses = ask(scripted.endpoint(input_price=2.0, output_price=10.0, api_key="k1"), meter)
    assert value == Color(name="red", parts=[1])
    assert (len(scripted.requests), pauses, scripted.authorization) == (1, [], {"Bearer k1"})
    assert meter.usage == Usage(1, 100, 10, pytest.approx(0.0003))
    assert scripted.requests[0]["temperature"] == 0
    assert scripted.requests[0]["response_format"]["json_schema"]["schema"] == Color.model_json_schema()


@pytest.mark.parametrize(("style", "sent"), [("json_object", {"type": "json_object"}), ("text", None)])
def test_an_endpoint_that_knows_no_schemas_is_asked_as_it_understands(style: Any, sent: Any) -> None:
    with serving(lambda _: completion('Here you are:\n```json\n{"name": "red", "parts": [1]}\n```')) as scripted:
        value, _ = ask(scripted.endpoint(response_format=style))
    assert value == Color(name="red", parts=[1])
    assert scripted.requests[0].get("response_format") == sent


def test_without_prices_the_cost_is_unknown_and_not_zero() -> None:
    meter = Meter()
    with serving(lambda _: GOOD) as scripted:
        ask(scripted.endpoint(input_price=2.0), meter)
    assert meter.usage == Usage(1, 100, 10, None)


def test_a_slow_endpoint_is_left_at_the_timeout_and_asked_three_times() -> None:
    with serving(lambda _: Reply(GOOD.body, delay=1.0)) as scripted:
        failed, pauses = ask(scripted.endpoint(timeout=0.5))
    assert isinstance(failed, CallFailed) and failed.kind is Failure.TIMEOUT
    assert pauses == [1.0, 2.0]
    assert len(scripted.requests) <= 3  # one that was given up before the busy server had read it is not among them
    assert "no answer within 0.5 s, asked 3 times" in str(failed)


def test_a_reply_that_drips_is_left_at_the_timeout_too() -> None:
    with serving(lambda _: Reply(GOOD.body, drip=0.02)) as scripted:
        failed, _ = ask(scripted.endpoint(timeout=0.1))
    assert isinstance(failed, CallFailed) and failed.kind is Failure.TIMEOUT
    assert len(scripted.requests) <= 3


def test_a_lost_connection_is_asked_again_and_may_succeed() -> None:
    with serving(in_turn(Reply(GOOD.body, cut=True), GOOD)) as scripted:
        value, pauses = ask(scripted.endpoint())
    assert value == Color(name="red", parts=[1])
    assert (len(scripted.requests), pauses) == (2, [1.0])


def test_nobody_at_the_address_is_a_network_failure(unused_port: int) -> None:
    failed, pauses = ask(Endpoint(f"http://127.0.0.1:{unused_port}/v1", "m"))
    assert isinstance(failed, CallFailed) and failed.kind is Failure.NETWORK
    assert pauses == [1.0, 2.0]


def test_a_rate_limit_is_waited_out_as_long_as_it_says() -> None:
    with serving(in_turn(error(429, retry_after="7"), error(429, retry_after="0.5"), GOOD)) as scripted:
        value, pauses = ask(scripted.endpoint())
    assert value == Color(name="red", parts=[1])
    assert len(scripted.requests) == 3
    assert {7.0, 0.5} <= set(pauses)


def test_a_rate_limit_that_says_no_time_is_waited_out_longer_and_longer_then_given_up() -> None:
    with serving(lambda _: error(429)) as scripted:
        failed, pauses = ask(scripted.endpoint())
    assert isinstance(failed, CallFailed) and failed.kind is Failure.RATE_LIMITED
    assert len(scripted.requests) == 5
    assert [pause for pause in pauses if pause in (1.0, 2.0, 4.0, 8.0)] == [1.0, 2.0, 4.0, 8.0]


def test_a_rate_limit_of_an_hour_is_not_waited_for() -> None:
    with serving(lambda _: error(429, retry_after="3600")) as scripted:
        failed, pauses = ask(scripted.endpoint())
    assert isinstance(failed, CallFailed) and failed.kind is Failure.RATE_LIMITED
    assert (len(scripted.requests), pauses) == (1, [])


def test_a_limit_holds_back_the_other_requests_as_well() -> None:
    async def both() -> tuple[list[float], int]:
        pauses: list[float] = []

        async def pause(seconds: float) -> None:
            pauses.append(seconds)

        with serving(in_turn(error(429, retry_after="50"), GOOD, GOOD)) as scripted:
            async with Chat(scripted.endpoint(concurrency=1), pause) as chat:
                await asyncio.gather(*(chat.ask("a colour, please", Color, Meter()) for _ in range(2)))
        return pauses, len(scripted.requests)

    pauses, requests = asyncio.run(both())
    assert requests == 3
    assert len([p for p in pauses if p > 49]) == 3  # the limited one waits, then both find the door closed


@pytest.mark.parametrize(
    ("reply", "kind", "says"),
    [
        (error(500), Failure.SERVER, "500"),
        (error(503), Failure.SERVER, "503"),
        (error(400, "context_length_exceeded"), Failure.REFUSED, r"400 \(context_length_exceeded\)"),
        (error(401, "invalid_api_key"), Failure.REFUSED, "check its API key"),
        (error(404), Failure.REFUSED, "check its URL and model"),
        (error(302, location="http://elsewhere.example/"), Failure.REFUSED, "302"),
        (Reply(b"<html>busy</html>"), Failure.NOT_A_COMPLETION, "17 bytes that are no chat completion"),
        (Reply(GOOD.body[:-30]), Failure.NOT_A_COMPLETION, "no chat completion"),
        (Reply(b'{"choices": []}'), Failure.NOT_A_COMPLETION, "no chat completion"),
        (completion(None), Failure.NOT_A_COMPLETION, "an empty reply"),
        (completion('{"name": "red", "par', finish_reason="length"), Failure.TRUNCATED, "cut off after 10 tokens"),
        (completion('{"name": "red", "par'), Failure.NOT_JSON, "no JSON object"),
        (completion("I would rather not."), Failure.NOT_JSON, "no JSON object"),
        (completion('{"name": "red"}'), Failure.WRONG_SCHEMA, "parts: missing"),
        (completion('{"name": "red", "parts": ["SECRET"]}'), Failure.WRONG_SCHEMA, r"parts.0: int_parsing"),
    ],
)
def test_what_a_model_or_server_gets_wrong_is_asked_once(reply: Reply, kind: Failure, says: str) -> None:
    with serving(lambda _: reply) as scripted:
        failed, pauses = ask(scripted.endpoint())
    assert isinstance(failed, CallFailed) and failed.kind is kind
    assert (len(scripted.requests), pauses) == (1, [])
    with pytest.raises(CallFailed, match=says):
        raise failed
    assert "SECRET" not in str(failed)


def test_a_bad_reply_is_paid_for_all_the_same() -> None:
    meter = Meter()
    with serving(lambda _: completion("no")) as scripted:
        ask(scripted.endpoint(input_price=1.0, output_price=1.0), meter)
    assert meter.usage == Usage(1, 100, 10, pytest.approx(0.00011))


def test_no_more_requests_are_open_at_a_time_than_allowed() -> None:
    async def many(endpoint: Endpoint) -> None:
        async with Chat(endpoint) as chat:
            await asyncio.gather(*(chat.ask("a colour, please", Color, Meter()) for _ in range(12)))

    with serving(lambda _: Reply(GOOD.body, delay=0.01)) as scripted:
        asyncio.run(many(scripted.endpoint(concurrency=3)))
    assert (len(scripted.requests), scripted.most_open) == (12, 3)


def test_an_api_key_is_not_shown() -> None:
    assert "hunter2" not in repr(Endpoint("http://127.0.0.1/v1", "m", api_key="hunter2"))


def test_the_script_itself_speaks_the_protocol() -> None:
    assert json.loads(agreeing({}).body)["choices"][0]["message"]["content"] == "Four hours."


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
