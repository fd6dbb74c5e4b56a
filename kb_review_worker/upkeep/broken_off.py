"""Reviews that ended without running code: terminated by an operator, failed, or lost with Temporal's database.

A terminated workflow tells nobody. Here it gets the end that its own code would have given it: a decision that had its receipt is
recorded as what it was, anything else is `cancelled`, so that the platform hears of it and may open the case anew. A review that
Temporal does not know at all is only reported, in the trail and in the log: the usual reason is a worker that was pointed at another
Temporal, and then every review looks lost. `kb-review-reconcile --end-lost` ends those.
"""

import datetime as dt
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass

from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowQueryFailedError,
)
from temporalio.service import RPCError, RPCStatusCode

from kb_contracts.cases import ReviewCase
from kb_contracts.names import STATE_QUERY, WORKFLOW_TYPE
from kb_contracts.outcomes import STATUS_OF, Outcome, ReviewState, Status
from kb_contracts.workflow_ids import RULE
from kb_review_worker.ports import AuditSink, DecisionLedger, KnownTask, TaskSystem
from kb_review_worker.storage.histories import PostgresHistories, ReviewRun

LOG = logging.getLogger("kb_review.upkeep")
BROKEN_OFF = {WorkflowExecutionStatus.TERMINATED: "terminated", WorkflowExecutionStatus.FAILED: "failed", WorkflowExecutionStatus.TIMED_OUT: "timed_out"}
CLOSED_BADLY = "ExecutionStatus IN ('Terminated', 'Failed', 'TimedOut')"
SETTLED_AFTER = dt.timedelta(minutes=2)  # what is younger may just be on its way
ANSWER = dt.timedelta(seconds=10)


@dataclass(frozen=True)
class Found:
    """What a round found: reviews that were given their end, and those that Temporal does not know."""

    ended: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


class Reconciler:
    """Compares what Temporal has with what the trail and the ledger have."""

    def __init__(self, client: Client, histories: PostgresHistories, tasks: TaskSystem, decisions: DecisionLedger, audit: AuditSink) -> None:
        self._client, self._histories, self._tasks, self._decisions, self._audit = client, histories, tasks, decisions, audit

    async def reconcile(self, *, end_lost: bool = False) -> Found:
        """Do one round."""
        ended = [run.id async for run in self._listed(CLOSED_BADLY) if await self._end_if_broken_off(run.id)]
        lost: list[str] = []
        running = {run.id async for run in self._listed("ExecutionStatus = 'Running'")}
        for known in await self._histories.open(SETTLED_AFTER):
            if known.review_id in running:  # lists lag: only what they miss is looked at
                continue
            if await self._look_at(known.review_id) is None:
                lost.append(known.review_id)
                await self._report_lost(known, end=end_lost)
            elif await self._end_if_broken_off(known.review_id):
                ended.append(known.review_id)
        return Found(tuple(ended), tuple(lost))

    async def _end_if_broken_off(self, review_id: str) -> bool:
        if await self._histories.is_decided(review_id):
            return False
        found = await self._look_at(review_id)
        name = BROKEN_OFF.get(found.status) if found and found.status else None
        return found is not None and name is not None and await self._end(found, name)

    async def _listed(self, condition: str) -> AsyncIterator[WorkflowHandle]:
        async for run in self._client.list_workflows(f"WorkflowType = '{WORKFLOW_TYPE}' AND {condition}"):
            yield self._client.get_workflow_handle(run.id)

    async def _look_at(self, review_id: str) -> WorkflowExecutionDescription | None:
        try:
            return await self._client.get_workflow_handle(review_id).describe()
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            return None

    async def _end(self, found: WorkflowExecutionDescription, name: str) -> bool:
        """Give a review its end; False where its state cannot be had now, because no worker of its build answers."""
        handle = self._client.get_workflow_handle(found.id, run_id=found.run_id)
        try:
            state = await handle.query(STATE_QUERY, result_type=ReviewState, rpc_timeout=ANSWER)
        except (RPCError, WorkflowQueryFailedError) as error:
            LOG.warning("%s is %s, and its state cannot be read (%s): is a worker of its build up?", found.id, name, type(error).__name__)
            return False
        case, why = await self._case(handle), await self._why(handle)
        ended_at = found.close_time or dt.datetime.now(dt.UTC)
        outcome = Outcome(workflow_id=found.id, run_id=found.run_id, case=case, status=_status(state), ended_at=ended_at, state=state)
        run = ReviewRun(found.id, found.run_id, case.knowledge_base, case.case_id, case.digest)
        LOG.error("%s was %s (%s): recorded as %s", found.id, name, why, outcome.status)
        await self._settle(run, outcome, name, why)
        return True

    async def _settle(self, run: ReviewRun, outcome: Outcome, name: str, why: str) -> None:
        """Tell everybody. The ledger is last: what is in it is never looked at again."""
        await self._audit.record(run.event(name, outcome.ended_at, f"{outcome.status}; {why}"))
        await self._tasks.close(KnownTask(run.review_id, None), outcome.status)
        await self._decisions.record(outcome)

    async def _report_lost(self, known: ReviewRun, *, end: bool) -> None:
        LOG.error("%s: Temporal does not know it (namespace %s): was its database lost, or is this another one?", known.review_id, self._client.namespace)
        now = dt.datetime.now(dt.UTC)
        await self._audit.record(known.event("lost", now, "Temporal does not know this review"))
        case = _case_of(known)
        if end and case is not None:
            outcome = Outcome(workflow_id=known.review_id, run_id=known.run_id, case=case, status=Status.CANCELLED, ended_at=now, state=ReviewState())
            await self._settle(known, outcome, "lost_ended", "an operator ended what Temporal has lost")

    async def _case(self, handle: WorkflowHandle) -> ReviewCase:
        async for event in handle.fetch_history_events():
            payloads = event.workflow_execution_started_event_attributes.input.payloads
            (case,) = await self._client.data_converter.decode(payloads, [ReviewCase])
            return case
        raise AssertionError("a history without a beginning")

    async def _why(self, handle: WorkflowHandle) -> str:
        """Return who did it, by the client's name that Temporal noted. The reason is anybody's text, and stays in the history."""
        last = (await handle.fetch_history()).events[-1]
        by = last.workflow_execution_terminated_event_attributes.identity
        return f"by {by}" if by else "by no client that Temporal noted"


def _status(state: ReviewState) -> Status:
    if state.decision:
        return STATUS_OF[state.decision.verdict]
    return Status.WITHDRAWN if state.withdrawal else Status.CANCELLED


def _case_of(known: ReviewRun) -> ReviewCase | None:
    """Return as much of a case as its ids say."""
    found = RULE.fullmatch(known.review_id)
    if found is None:
        return None
    opened = dt.datetime.strptime(found["opened"], "%Y%m%dT%H%M%S.%f").replace(tzinfo=dt.UTC)
    return ReviewCase(knowledge_base=known.knowledge_base, case_id=known.case_id, kind=found["kind"], digest=known.digest, opened_at=opened,
                      subject="lost with its workflow", reviewer_roles=("unknown",))
