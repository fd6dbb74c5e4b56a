"""Speaks to reviews: sends an Update, asks for the state. What Temporal raises becomes an answer, or nothing where there is none yet."""

import asyncio
import datetime as dt
import logging
from typing import Any

from temporalio.client import (
    Client,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from kb_contracts.decisions import Claim, Note, Reassignment, Receipt, ReviewDecision
from kb_contracts.names import PASSING_REFUSALS, STATE_QUERY, Refusal, UpdateName
from kb_contracts.outcomes import ReviewState
from kb_review_worker.gateway.answers import TAKEN, UNKNOWN_REVIEW, Answer, Ending, accepted, refused
from kb_review_worker.storage.task_lists import PostgresTaskLists

LOG = logging.getLogger(__name__)
Request = ReviewDecision | Claim | Note | Reassignment
OPERATIONS: dict[str, type[Request]] = {
    UpdateName.DECIDE: ReviewDecision, UpdateName.CLAIM: Claim, UpdateName.ADD_NOTE: Note, UpdateName.REASSIGN: Reassignment,
}
NAMES = {kind: name for name, kind in OPERATIONS.items()}
PATIENCE = dt.timedelta(seconds=8)  # of one attempt; a worker that is up answers in milliseconds
GONE = ("already completed", "closing workflow")


class TemporalReviews:
    """The reviews as they run. The ledger tells how those ended that Temporal has closed or forgotten."""

    def __init__(self, client: Client, tasks: PostgresTaskLists) -> None:
        self._client, self._tasks = client, tasks

    async def send(self, review_id: str, request: Request) -> Answer | None:
        """Send a request; None where it has no answer yet and the same one should be sent again."""
        handle = self._client.get_workflow_handle(review_id)
        try:
            receipt = await handle.execute_update(NAMES[type(request)], request, id=request.event_id, result_type=Receipt, rpc_timeout=PATIENCE)
        except WorkflowUpdateFailedError as error:
            return await self._refused(review_id, error.cause)
        except WorkflowUpdateRPCTimeoutOrCancelledError:
            task = asyncio.current_task()
            if task and task.cancelling():
                raise asyncio.CancelledError from None
            return None
        except RPCError as error:
            return await self._unreachable(review_id, error)
        except RuntimeError as error:  # the first use of a client that was never connected
            LOG.warning("Temporal does not answer (%s)", type(error).__name__)
            return None
        return accepted(receipt)

    async def state(self, review_id: str) -> ReviewState | None:
        """Return how a review stands; None where nobody answers in time."""
        handle = self._client.get_workflow_handle(review_id)
        try:
            return await handle.query(STATE_QUERY, result_type=ReviewState, rpc_timeout=dt.timedelta(seconds=2))
        except (RPCError, RuntimeError, WorkflowQueryFailedError, WorkflowQueryRejectedError):
            return None

    async def _refused(self, review_id: str, cause: Any) -> Answer | None:
        refusal = cause.type if isinstance(cause, ApplicationError) else None
        if refusal is None or refusal not in set(Refusal):
            LOG.error("a review answered with %s: see its history", type(cause).__name__)
            return None
        if refusal in PASSING_REFUSALS:
            return None
        ending = await self.ending(review_id) if refusal in TAKEN | {Refusal.REVIEW_CLOSED} else None
        return refused(refusal, cause.message, ending)

    async def _unreachable(self, review_id: str, error: RPCError) -> Answer | None:
        """Tell the end of a review from a server that is down. There are two ways to meet the end: after it, and while it happens."""
        is_gone = any(each in str(error) for each in GONE)
        if not is_gone and (error.status is not RPCStatusCode.NOT_FOUND or str(error).startswith("Namespace ")):
            LOG.warning("Temporal does not answer (%s)", error.status.name)
            return None
        ending = await self.ending(review_id)
        if ending is None:  # closing: the ledger hears of it in a moment; or never heard of
            return None if is_gone else refused(UNKNOWN_REVIEW, "there is no such review")
        taken = ending.by != ""
        return refused(Refusal.ALREADY_DECIDED if taken else Refusal.REVIEW_CLOSED, told(ending), ending)

    async def ending(self, review_id: str) -> Ending | None:
        """Return how a review ended: as the ledger has it, else as the review itself says."""
        if kept := await self._tasks.ending(review_id):
            return Ending(*kept)
        state = await self.state(review_id)
        if state and state.decision:
            return Ending(state.decision.verdict.value, state.resumed_at or state.decision.decided_at, state.decision.reviewer.name or state.decision.reviewer.id)
        return Ending("withdrawn", state.resumed_at) if state and state.withdrawal else None


def told(ending: Ending) -> str:
    """Return an ending in words."""
    when = f" at {ending.at:%Y-%m-%d %H:%M} UTC" if ending.at else ""
    status = ending.status.replace("_", " ")
    return f"already decided by {ending.by}{when}: {status}" if ending.by else f"the review has ended{when}: {status}"
