"""A review waits, escalates exactly as due, and ends explicitly: on both servers, over the real inbox and ledger."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import wraps
from typing import Any

import pytest
from temporalio.service import RPCError

from kb_contracts.decisions import Verdict, Withdrawal
from kb_contracts.outcomes import Outcome, Phase, Status
from kb_review_worker_tests.made_cases import PHRASE, case, decision, event
from kb_review_worker_tests.reviewing import Reviews, reviewing
from kb_review_worker_tests.servers import Server, serving

pytestmark = pytest.mark.anyio
HOUR = dt.timedelta(hours=1)
TRIES, LOST = 3, 120  # seconds after which a review that does not go on is one whose task the skipping server has lost


@pytest.fixture(scope="module", params=["real", pytest.param("skipping", marks=pytest.mark.endurance)])
async def server(anyio_backend: str, real: Server, request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """Yield each of the two servers."""
    if request.param == "real":
        yield real
        return
    async with serving(request.param) as running:
        yield running


def on_both(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Let a test be done once more, on another server, where the skipping one has lost a task (servers.py): the real one has one try."""

    @wraps(test)
    async def done(reviews: Reviews, **others: Any) -> None:
        if reviews.server.kind == "real":
            return await test(reviews=reviews, **others)
        with suppress(TimeoutError, RPCError):
            return await _within(LOST, test(reviews=reviews, **others))
        for tries_left in reversed(range(TRIES - 1)):
            try:
                async with serving("skipping") as another, reviewing(another, reviews.database) as again:
                    return await _within(LOST, test(reviews=again, **others))
            except (TimeoutError, RPCError):
                if not tries_left:
                    raise
        return None

    return done


async def _within(seconds: float, work: Awaitable[None]) -> None:
    async with asyncio.timeout(seconds):
        await work


@pytest.mark.parametrize(("hours", "level"), [(1 / 6, 0), (23.9, 0), (24.1, 1), (71.9, 1), (72.1, 2), (167.9, 2)])
@on_both
async def test_a_decision_counts_whenever_it_comes(reviews: Reviews, hours: float, level: int) -> None:
    about = case()
    handle = await reviews.waiting(about)
    await reviews.pass_time(handle, hours=hours)
    asked = decision(about, Verdict.APPROVE)
    receipt = await reviews.send(handle, asked)
    outcome: Outcome = await handle.result()

    assert (outcome.status, outcome.state.level, outcome.state.decision) == (Status.APPROVED, level, asked)
    assert outcome.case == about
    suspended, due, resumed = outcome.state.suspended_at, outcome.state.due_at, outcome.state.resumed_at
    assert suspended and due and resumed
    assert [e.at - suspended >= span * HOUR for e, span in zip(outcome.state.escalations, (24, 72), strict=False)] == [True] * level
    assert due == suspended + 168 * HOUR
    assert abs(resumed - suspended - hours * HOUR) < HOUR / 10  # the virtual clock moves on with the wall's
    assert receipt.event_id == asked.event_id
    assert receipt.run_id == outcome.run_id
    assert await reviews.ended(handle) == ("approved", asked.event_id, "dr.reviewer", "", about.kind, about.digest)
    assert (await reviews.shown(handle))[0::4] == ("approved", False)


@on_both
async def test_the_inbox_shows_level_and_due_time_while_it_waits(reviews: Reviews) -> None:
    handle = await reviews.waiting(case())
    state = await reviews.state(handle)
    assert await reviews.shown(handle) == ("waiting", 0, None, state.due_at, True)
    for hours, level in ((24.1, 1), (48, 2)):
        await reviews.pass_time(handle, hours=hours)
        await reviews.until(handle, lambda state, level=level: state.level == level)
        while (await reviews.shown(handle))[1] != level:
            await asyncio.sleep(0.01)
    await reviews.send(handle, Withdrawal(event_id=event(), reason="no more needed"))
    await handle.result()


@on_both
async def test_a_review_that_nobody_decides_expires_and_says_so(reviews: Reviews) -> None:
    about = case()
    handle = await reviews.waiting(about)
    await reviews.pass_time(handle, hours=168.1)
    outcome: Outcome = await handle.result()

    assert (outcome.status, outcome.state.level, outcome.state.decision) == (Status.EXPIRED_UNREVIEWED, 2, None)
    assert await reviews.ended(handle) == ("expired_unreviewed", None, None, "", about.kind, about.digest)
    assert (await reviews.shown(handle))[:2] == ("expired_unreviewed", 2)


@pytest.mark.parametrize(("verdict", "status"), [(Verdict.REJECT, "rejected"), (Verdict.REQUEST_CHANGES, "changes_requested")])
@on_both
async def test_a_refused_case_keeps_the_reason(reviews: Reviews, verdict: Verdict, status: str) -> None:
    about = case()
    handle = await reviews.waiting(about)
    await reviews.send(handle, decision(about, verdict))
    assert (await handle.result()).status == status
    assert (await reviews.ended(handle))[3] == f"because of {PHRASE}"


@on_both
async def test_spans_come_from_the_case(reviews: Reviews) -> None:
    about = case(escalate_after=(HOUR,), expire_after=2 * HOUR)
    handle = await reviews.waiting(about)
    await reviews.pass_time(handle, hours=1.1)
    await reviews.until(handle, lambda state: state.level == 1)
    await reviews.pass_time(handle, hours=1)
    assert (await handle.result()).status == Status.EXPIRED_UNREVIEWED


@on_both
async def test_starting_an_opening_twice_is_one_review(reviews: Reviews) -> None:
    about = case()
    first, second = await reviews.waiting(about), await reviews.start(about)
    assert (first.id, first.result_run_id) == (second.id, second.result_run_id)
    assert (await reviews.state(second)).phase == Phase.WAITING
    await reviews.send(first, decision(about))
    await first.result()
