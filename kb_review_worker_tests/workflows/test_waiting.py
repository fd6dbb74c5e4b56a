"""A review waits, escalates exactly as due, and ends explicitly: on both servers, over the real inbox and ledger."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator

import pytest

from kb_contracts.decisions import Verdict, Withdrawal
from kb_contracts.outcomes import Outcome, Phase, Status
from kb_review_worker_tests.made_cases import PHRASE, case, decision, event
from kb_review_worker_tests.reviewing import Reviews
from kb_review_worker_tests.servers import Server, serving

pytestmark = pytest.mark.anyio
HOUR = dt.timedelta(hours=1)


@pytest.fixture(scope="module", params=["skipping", "real"])
async def server(anyio_backend: str, request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """Yield each of the two servers."""
    async with serving(request.param) as running:
        yield running


@pytest.mark.parametrize(("hours", "level"), [(1 / 6, 0), (23.9, 0), (24.1, 1), (71.9, 1), (72.1, 2), (167.9, 2)])
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
    assert abs(resumed - suspended - hours * HOUR) < HOUR / 60  # the virtual clock moves on with the wall's
    assert receipt.event_id == asked.event_id
    assert receipt.run_id == outcome.run_id
    assert await reviews.ended(handle) == ("approved", asked.event_id, "dr.reviewer", "", about.kind, about.digest)
    assert (await reviews.shown(handle))[0::4] == ("approved", False)


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


async def test_a_review_that_nobody_decides_expires_and_says_so(reviews: Reviews) -> None:
    about = case()
    handle = await reviews.waiting(about)
    await reviews.pass_time(handle, hours=168.1)
    outcome: Outcome = await handle.result()

    assert (outcome.status, outcome.state.level, outcome.state.decision) == (Status.EXPIRED_UNREVIEWED, 2, None)
    assert await reviews.ended(handle) == ("expired_unreviewed", None, None, "", about.kind, about.digest)
    assert (await reviews.shown(handle))[:2] == ("expired_unreviewed", 2)


@pytest.mark.parametrize(("verdict", "status"), [(Verdict.REJECT, "rejected"), (Verdict.REQUEST_CHANGES, "changes_requested")])
async def test_a_refused_case_keeps_the_reason(reviews: Reviews, verdict: Verdict, status: str) -> None:
    about = case()
    handle = await reviews.waiting(about)
    await reviews.send(handle, decision(about, verdict))
    assert (await handle.result()).status == status
    assert (await reviews.ended(handle))[3] == f"because of {PHRASE}"


async def test_spans_come_from_the_case(reviews: Reviews) -> None:
    about = case(escalate_after=(HOUR,), expire_after=2 * HOUR)
    handle = await reviews.waiting(about)
    await reviews.pass_time(handle, hours=1.1)
    await reviews.until(handle, lambda state: state.level == 1)
    await reviews.pass_time(handle, hours=1)
    assert (await handle.result()).status == Status.EXPIRED_UNREVIEWED


async def test_starting_an_opening_twice_is_one_review(reviews: Reviews) -> None:
    about = case()
    first, second = await reviews.waiting(about), await reviews.start(about)
    assert (first.id, first.result_run_id) == (second.id, second.result_run_id)
    assert (await reviews.state(second)).phase == Phase.WAITING
    await reviews.send(first, decision(about))
    await first.result()
