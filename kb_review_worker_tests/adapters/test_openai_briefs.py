"""The table of model failures, asserted by counting the requests that reach a scripted server over a real socket.

The activity runs in a review on the real server, so that what is counted is what Temporal's retries make of each failure.
"""

import asyncio
import datetime as dt
import json
import time
from email.utils import format_datetime

import pytest

from kb_contracts.decisions import Withdrawal
from kb_contracts.outcomes import Phase, ReviewState
from kb_platform_tests.quality.judges.scripted_endpoint import Reply, Script, ScriptedEndpoint, completion, error, serving
from kb_review_worker.adapters.openai_briefs import Model, OpenAiBriefs
from kb_review_worker.adapters.retry_headers import retry_after
from kb_review_worker.storage.database import Database
from kb_review_worker_tests.made_cases import PHRASE, case, event
from kb_review_worker_tests.reviewing import reviewing
from kb_review_worker_tests.servers import Server

pytestmark = pytest.mark.anyio
GOOD = completion(json.dumps({"summary": "A scan that could not be read.", "points": ["Is it the right document?"]}))
CUT = Reply(GOOD.body, cut=True)
SLOW = Reply(GOOD.body, delay=1.0)


def after(first: Reply) -> Script:
    """Return a script that gives one bad reply, and then a good one."""
    replies = iter([first])
    return lambda _: next(replies, GOOD)


async def _brief(server: Server, database: Database, script: Script, timeout: float = 10.0) -> tuple[ReviewState, ScriptedEndpoint]:
    with serving(script) as scripted:
        model = Model(f"http://127.0.0.1:{scripted.port}/v1", "scripted", timeout=timeout)
        async with reviewing(server, database, briefs=OpenAiBriefs(model)) as reviews:
            handle = await reviews.start(case(want_brief=True, material="the text of the scan"))
            state = await reviews.until(handle, lambda state: state.phase == Phase.WAITING)
            await reviews.send(handle, Withdrawal(event_id=event()))
            assert (await handle.result()).case.material == ""
            if state.problems:
                assert "SECRET" not in (await handle.fetch_history()).to_json()
    return state, scripted


async def _briefs(server: Server, database: Database, scripts: dict[str, Script]) -> dict[str, tuple[int, ReviewState]]:
    """Return how many requests each script got, and what came of it; they run side by side, as most of the time is waiting."""
    found = await asyncio.gather(*(_brief(server, database, script, 0.5 if name == "timeout" else 10.0) for name, script in scripts.items()))
    return {name: (len(scripted.requests), state) for name, (state, scripted) in zip(scripts, found, strict=True)}


async def test_a_passing_failure_costs_one_more_request(real: Server, database: Database) -> None:
    bad = {"429": error(429), "429 with Retry-After": error(429, retry_after="2"), "reset": CUT, "timeout": SLOW,
           **{str(status): error(status) for status in (408, 502, 503, 504, 529)}}
    found = await _briefs(real, database, {name: after(reply) for name, reply in bad.items()})
    assert {name: (requests, state.brief is not None, state.problems) for name, (requests, state) in found.items()} == dict.fromkeys(bad, (2, True, ()))


async def test_a_failure_of_the_model_costs_one_request_and_no_review(real: Server, database: Database) -> None:
    bad = {
        "LlmBudget": [error(429, "insufficient_quota")], "LlmAuth": [error(401), error(403)],
        "LlmModelError": [*(error(status) for status in (400, 404, 422, 500)), completion("half a", "length"), completion(None, "content_filter"),
                          completion('{"answer": 42}'), Reply(b"<html>")],
    }
    replies = {f"{kind} {n}": reply for kind, several in bad.items() for n, reply in enumerate(several)}
    found = await _briefs(real, database, {name: lambda _, reply=reply: reply for name, reply in replies.items()})
    assert {name: (requests, state.brief, state.problems) for name, (requests, state) in found.items()} == {
        name: (1, None, (f"brief: {name.split()[0]}",)) for name in replies}


async def test_a_limit_that_lasts_is_asked_six_times_in_all(real: Server, database: Database) -> None:
    state, scripted = await _brief(real, database, lambda _: error(429, retry_after="1"))
    assert (len(scripted.requests), state.problems) == (6, ("brief: LlmRateLimited",))


async def test_the_model_is_told_the_case_and_asked_for_json(real: Server, database: Database) -> None:
    _, scripted = await _brief(real, database, lambda _: GOOD)
    (request,) = scripted.requests
    told = json.loads(request["messages"][1]["content"])
    assert (told["text"], told["facts"]["phrase"]) == ("the text of the scan", PHRASE)
    assert request["response_format"] == {"type": "json_object"}


def test_a_wait_is_believed_within_bounds() -> None:
    second = dt.timedelta(seconds=1)
    assert retry_after({"retry-after": "3"}) == 3 * second
    assert retry_after({"retry-after-ms": "2500"}) == 2.5 * second
    assert retry_after({"retry-after": "0"}) == second
    assert retry_after({"retry-after": "86400"}) == 900 * second
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({"retry-after-ms": "nan"}) is None
    assert retry_after({}) is None
    date = format_datetime(dt.datetime.fromtimestamp(time.time() + 60, dt.UTC), usegmt=True)
    found = retry_after({"retry-after": date})
    assert found and 55 * second < found <= 60 * second
