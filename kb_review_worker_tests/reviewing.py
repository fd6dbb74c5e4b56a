"""Starts reviews on a server with a worker, and speaks to them as a gateway does."""

import asyncio
import datetime as dt
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError

from kb_contracts.cases import ReviewCase
from kb_contracts.decisions import Claim, Note, Reassignment, Receipt, ReviewDecision, Withdrawal
from kb_contracts.names import STATE_QUERY, WORKFLOW_TYPE, UpdateName
from kb_contracts.outcomes import Outcome, Phase, ReviewState
from kb_contracts.workflow_ids import workflow_id
from kb_review_worker.settings import Settings
from kb_review_worker.storage.audit import PostgresAudit
from kb_review_worker.storage.database import Database
from kb_review_worker.storage.decisions import PostgresDecisions
from kb_review_worker.storage.inbox import PostgresInbox
from kb_review_worker.worker import Ports, build_worker
from kb_review_worker_tests.servers import ENDING, Server

Handle = WorkflowHandle[Any, Any]
UPDATES = {ReviewDecision: UpdateName.DECIDE, Claim: UpdateName.CLAIM, Reassignment: UpdateName.REASSIGN, Note: UpdateName.ADD_NOTE,
           Withdrawal: UpdateName.WITHDRAW}
QUEUES = itertools.count(1)
ENDED = ("select status, event_id, reviewer_id, reason, kind, encode(digest, 'hex') from decision where review_id = %s")
SHOWN = "select status, escalation_level, assignee_id, due_at, closed_at is null from task where review_id = %s"


@dataclass
class Reviews:
    """A worker on its own queue, and how tests reach its reviews."""

    server: Server
    database: Database
    queue: str

    async def start(self, case: ReviewCase) -> Handle:
        """Start a review, as the hand-off does."""
        return await self.server.client.start_workflow(
            WORKFLOW_TYPE, case, id=workflow_id(case), task_queue=self.queue, result_type=Outcome,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE, id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )

    async def waiting(self, case: ReviewCase) -> Handle:
        """Start a review, and return when its task is there and its due time is shown."""
        handle = await self.start(case)
        await self.until(handle, lambda state: state.phase == Phase.WAITING)
        while (await self.shown(handle))[3] is None:
            await asyncio.sleep(0.01)
        return handle

    async def state(self, handle: Handle) -> ReviewState:
        """Ask for the state."""
        return await handle.query(STATE_QUERY, result_type=ReviewState)

    async def until(self, handle: Handle, condition: Any) -> ReviewState:
        """Return the state as soon as it meets a condition."""
        while True:
            state = await self.state(handle)
            if condition(state):
                return state
            await asyncio.sleep(0.01)

    async def send(self, handle: Handle, request: Any, **more: Any) -> Receipt:
        """Send a request under its event's id."""
        return await handle.execute_update(UPDATES[type(request)], request, id=request.event_id, result_type=Receipt, **more)

    async def refusal(self, handle: Handle, request: Any, **more: Any) -> str | None:
        """Send a request, and return the type of its refusal; None if it was accepted."""
        try:
            await self.send(handle, request, **more)
        except WorkflowUpdateFailedError as error:
            assert isinstance(error.cause, ApplicationError)
            return error.cause.type
        return None

    async def pass_time(self, handle: Handle, **span: float) -> None:
        """Let time pass."""
        await self.server.pass_time(handle, dt.timedelta(**span))

    async def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return what a statement finds."""
        async with self.database.transaction() as c:
            return list(await (await c.execute(query.encode(), values)).fetchall())

    async def ended(self, handle: Handle) -> tuple[Any, ...]:
        """Return the one row that the platform reads."""
        (row,) = await self.rows(ENDED, handle.id)
        return row

    async def shown(self, handle: Handle) -> tuple[Any, ...]:
        """Return the one task that the inbox shows."""
        (row,) = await self.rows(SHOWN, handle.id)
        return row


@asynccontextmanager
async def reviewing(server: Server, database: Database, *, build: str | None = None, queue: str = "", **ports: Any) -> AsyncIterator[Reviews]:
    """Yield reviews with a running worker; other ports than the real ones can be named.

    A worker whose server hangs is left alone in the end: it must not keep the tests of other modules from running.
    """
    queue = queue or f"review-{next(QUEUES)}"
    real: dict[str, Any] = {"tasks": PostgresInbox(database), "decisions": PostgresDecisions(database), "audit": PostgresAudit(database)}
    worker = build_worker(server.client, Ports(**real | ports), Settings(), build=build, task_queue=queue)
    await worker.__aenter__()
    try:
        yield Reviews(server, database, queue)
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(ENDING):
                await worker.__aexit__(None, None, None)
