"""Operators cancel, systems are down, models fail: a review loses no decision, and says what it went without."""

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import ApplicationError, CancelledError

from kb_contracts.decisions import Reviewer, Withdrawal
from kb_contracts.outcomes import Outcome, Phase, Status, TaskRef
from kb_review_worker.ports import KnownTask, NewTask
from kb_review_worker.storage.database import Database
from kb_review_worker.storage.decisions import PostgresDecisions
from kb_review_worker.storage.inbox import PostgresInbox
from kb_review_worker_tests.made_cases import case, decision, event
from kb_review_worker_tests.reviewing import Handle, Reviews, reviewing
from kb_review_worker_tests.servers import Server

pytestmark = pytest.mark.anyio


class Disturbed:
    """The real inbox behind a line that a test disturbs: `before` is awaited with each call's name."""

    def __init__(self, inbox: PostgresInbox, before: Callable[[str], Any]) -> None:
        self.inbox, self.before = inbox, before

    async def create(self, task: NewTask) -> TaskRef:
        await self.before("create")
        return await self.inbox.create(task)

    async def set_due(self, task: KnownTask, due_at: dt.datetime) -> None:
        await self.before("set_due")
        await self.inbox.set_due(task, due_at)

    async def assign(self, task: KnownTask, to: Reviewer | None) -> None:
        await self.before("assign")
        await self.inbox.assign(task, to)

    async def escalate(self, task: KnownTask, level: int) -> None:
        await self.before("escalate")
        await self.inbox.escalate(task, level)

    async def close(self, task: KnownTask, status: Status) -> None:
        await self.before("close")
        await self.inbox.close(task, status)


async def _cancelled(handle: Handle) -> WorkflowExecutionStatus | None:
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert isinstance(caught.value.cause, CancelledError)
    return (await handle.describe()).status


async def test_an_operators_cancel_is_told_to_everybody(reviews: Reviews) -> None:
    about = case()
    handle = await reviews.waiting(about)
    await handle.cancel()
    assert await _cancelled(handle) == WorkflowExecutionStatus.CANCELED
    assert (await reviews.ended(handle))[0] == "cancelled"
    assert (await reviews.shown(handle))[0::4] == ("cancelled", False)


async def test_a_cancel_while_the_task_is_being_made_leaves_no_open_task(server: Server, database: Database) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def before(call: str) -> None:
        if call == "create":
            begun.set()
            await go.wait()

    async with reviewing(server, database, tasks=Disturbed(PostgresInbox(database), before)) as reviews:
        handle = await reviews.start(case())
        await begun.wait()
        await handle.cancel()
        go.set()
        assert await _cancelled(handle) == WorkflowExecutionStatus.CANCELED
        assert (await reviews.ended(handle))[0] == "cancelled"
        assert (await reviews.shown(handle))[0::4] == ("cancelled", False)


async def test_a_decision_that_has_its_receipt_outlives_a_cancel(server: Server, database: Database) -> None:
    go = asyncio.Event()

    class Slow(PostgresDecisions):
        async def record(self, outcome: Outcome) -> None:
            await go.wait()
            await super().record(outcome)

    async with reviewing(server, database, decisions=Slow(database)) as reviews:
        about = case()
        handle = await reviews.waiting(about)
        await reviews.send(handle, decision(about))
        await reviews.until(handle, lambda state: state.phase == Phase.CLOSING)
        await handle.cancel()
        go.set()
        assert (await handle.result()).status == Status.APPROVED
        assert (await reviews.ended(handle))[0] == "approved"


async def test_a_task_system_that_is_down_delays_no_decision_and_no_deadline(server: Server, database: Database) -> None:
    down = asyncio.Event()

    async def before(call: str) -> None:
        if down.is_set() and call != "create":
            raise ConnectionError(call)

    async with reviewing(server, database, tasks=Disturbed(PostgresInbox(database), before)) as reviews:
        minute = dt.timedelta(minutes=1)
        about = case(escalate_after=(minute, 2 * minute))
        handle = await reviews.waiting(about)
        down.set()
        await reviews.pass_time(handle, minutes=2.1)
        await reviews.until(handle, lambda state: state.level == 2)
        await reviews.send(handle, decision(about))
        while not (await reviews.rows("select 1 from decision where review_id = %s", handle.id)):
            await asyncio.sleep(0.01)
        assert (await reviews.shown(handle))[0] == "waiting"
        down.clear()
        assert (await handle.result()).status == Status.APPROVED
        assert (await reviews.shown(handle))[0] == "approved"


async def test_a_task_that_is_rejected_keeps_the_review_alive_and_is_named(server: Server, database: Database) -> None:
    async def before(call: str) -> None:
        raise ApplicationError("no such resource", type="EhrRejected", non_retryable=True)

    async with reviewing(server, database, tasks=Disturbed(PostgresInbox(database), before)) as reviews:
        about = case()
        handle = await reviews.start(about)
        await reviews.until(handle, lambda state: state.phase == Phase.WAITING)
        await reviews.send(handle, decision(about))
        outcome: Outcome = await handle.result()
        assert outcome.status == Status.APPROVED
        assert outcome.state.problems[0] == "task: EhrRejected"


async def test_a_ledger_with_another_outcome_fails_the_review_for_all_to_see(reviews: Reviews) -> None:
    about = case()
    handle = await reviews.waiting(about)
    async with reviews.database.transaction() as c:
        await c.execute("""insert into decision (review_id, run_id, knowledge_base, case_id, kind, digest, status, ended_at)
                           values (%s, 'another', 'handbook', 1, 'x', '\\x00', 'withdrawn', now())""", (handle.id,))
    await reviews.send(handle, decision(about))
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert getattr(caught.value.cause.__cause__, "type", None) == "KbConflict"
    assert (await reviews.ended(handle))[0] == "withdrawn"


async def test_a_brief_that_cannot_be_had_keeps_no_review_back(reviews: Reviews) -> None:
    about = case(want_brief=True)
    handle = await reviews.waiting(about)
    state = await reviews.state(handle)
    assert (state.brief, state.problems) == (None, ("brief: NoBriefWriter",))
    await reviews.send(handle, Withdrawal(event_id=event()))
    await handle.result()


async def test_the_ledger_takes_an_outcome_twice_as_once(reviews: Reviews) -> None:
    about = case()
    handle = await reviews.waiting(about)
    await reviews.send(handle, decision(about))
    outcome: Outcome = await handle.result()
    ledger, inbox = PostgresDecisions(reviews.database), PostgresInbox(reviews.database)
    await ledger.record(outcome)
    again = await inbox.create(NewTask(handle.id, outcome.run_id, about, None))
    assert again == outcome.state.task
    assert (await reviews.ended(handle))[0] == "approved"


@pytest.mark.parametrize("statement", ["update decision set reason = 'x'", "delete from decision", "truncate decision"])
async def test_a_decision_is_never_changed(reviews: Reviews, statement: str) -> None:
    about = case()
    handle = await reviews.waiting(about)
    await reviews.send(handle, decision(about))
    await handle.result()
    with pytest.raises(ApplicationError, match="SQLSTATE 23001"):
        await reviews.rows(statement)
