"""The review of one case by a person: it opens, waits for days at no cost, escalates, and ends explicitly.

    opening   an optional brief, then the task
    waiting   until a decision or a withdrawal; escalations on the way (24 h, 72 h), and an end (7 d)
    closing   the outcome goes back to the knowledge base, the task is closed
    closed    approved, rejected, changes_requested, expired_unreviewed, withdrawn or cancelled

- Deadlines count from the moment the task can be seen, and are absolute: no retry moves them. Only a decision, a withdrawal, the
  expiry or an operator's cancel ends the waiting; the workflow has no timeout of its own, which would end it without a word.
- A request is an Update: the validator refuses (rules.py) before anything enters history; the handler only notes it, in the same
  step, so that of twenty reviewers exactly one is accepted.
- What follows from waiting (due time, assignee, escalations) runs beside it: an EHR that is down delays neither a decision on its way
  to the knowledge base nor the next deadline.
- A cancel is an outcome too, unless a decision came first: then that stands, since its reviewer has a receipt. A terminated workflow
  runs no code at all; finding those is for whoever lists workflows.

Runs in Temporal's sandbox: no I/O here, and none at import.
"""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from kb_contracts.cases import ReviewCase
    from kb_contracts.decisions import Claim, Note, Reassignment, Receipt, ReviewDecision, Reviewer, Withdrawal
    from kb_contracts.names import STATE_QUERY, WORKFLOW_TYPE, UpdateName
    from kb_contracts.outcomes import STATUS_OF, Escalation, Outcome, Phase, ReviewState, Status
    from kb_review_worker import retries
    from kb_review_worker.activities.briefs import BriefActivities
    from kb_review_worker.activities.outcomes import OutcomeActivities
    from kb_review_worker.activities.tasks import TaskActivities
    from kb_review_worker.workflows import appearance, rules

Request = Claim | Note | Reassignment | ReviewDecision | Withdrawal
OUTCOMES = "kb_review_outcomes"


@workflow.defn(name=WORKFLOW_TYPE)
class HumanReview:
    """One review. Its versioning behaviour is the worker's."""

    @workflow.init
    def __init__(self, case: ReviewCase) -> None:  # handlers may run before `run` does
        self._case = case
        self._state = ReviewState()
        self._following: list[asyncio.Task[None]] = []
        self._one_assignment_at_a_time = asyncio.Lock()

    @workflow.run
    async def run(self, case: ReviewCase) -> Outcome:
        """Return how the review ended."""
        cancel: BaseException | None = None
        expired = False
        try:
            await self._open()
            expired = not (self._ended() or await self._wait())
        except (asyncio.CancelledError, ActivityError) as error:
            if not is_cancelled_exception(error):
                raise
            cancel = error
        outcome = self._outcome(expired=expired)
        await self._through(self._close(outcome))
        if cancel is not None and outcome.status == Status.CANCELLED:
            raise cancel
        return outcome

    async def _open(self) -> None:
        self._show()
        if self._case.want_brief:
            self._change(brief=await self._attempt("brief", BriefActivities.draft_brief, self._case, policy=retries.DRAFT_BRIEF))
            _raise_if_cancelled()
        if not self._ended():
            make = self._attempt("task", TaskActivities.create_task, self._case, self._state.brief, policy=retries.CREATE_TASK)
            self._change(task=await make)
            self._case = self._case.model_copy(update={"material": "", "previous": ""})  # brief and task have them: histories stay small
            _raise_if_cancelled()

    async def _wait(self) -> bool:
        """Wait for an end, and return whether there was one before the review expired."""
        now = workflow.now()
        self._change(phase=Phase.WAITING, suspended_at=now, due_at=now + self._case.expire_after)
        self._show()
        self._follow(self._call(TaskActivities.set_due_time, self._state.task, self._state.due_at))
        for level, after in enumerate(self._case.escalate_after, 1):
            if await self._ended_by(now + after, f"escalation {level}"):
                return True
            self._escalate(level)
        return await self._ended_by(now + self._case.expire_after, "expiry")

    async def _ended_by(self, deadline: dt.datetime, summary: str) -> bool:
        left = deadline - workflow.now()
        if left > dt.timedelta(0):
            with suppress(TimeoutError):
                await workflow.wait_condition(self._ended, timeout=left, timeout_summary=summary)
        return self._ended()

    def _escalate(self, level: int) -> None:
        escalation = Escalation(level=level, at=workflow.now())
        self._change(escalations=(*self._state.escalations, escalation))
        self._show()
        self._follow(self._call(TaskActivities.escalate_task, self._case, self._state.task, escalation))

    async def _close(self, outcome: Outcome) -> None:
        """Tell the knowledge base and the task system, neither of which waits for the other."""
        self._change(phase=Phase.CLOSING)
        self._show()
        for task in self._following:
            task.cancel()
        _raise_failures(await asyncio.gather(*self._following, return_exceptions=True))
        record = workflow.execute_activity_method(OutcomeActivities.record_outcome, outcome, **retries.RECORD_OUTCOME.options)
        close = self._attempt("close", TaskActivities.close_task, self._state.task, outcome.status, policy=retries.CLOSE_TASK)
        _raise_failures(await asyncio.gather(record, close, return_exceptions=True))
        self._change(phase=Phase.CLOSED)
        self._show(outcome.status)
        workflow.metric_meter().create_counter(OUTCOMES, "Reviews that ended").add(1, {"status": outcome.status, "kind": self._case.kind})
        await workflow.wait_condition(workflow.all_handlers_finished)

    async def _through(self, work: Awaitable[None]) -> None:
        """See work to its end, whatever cancels come: what was decided is on its way."""
        task = asyncio.ensure_future(work)
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.shield(task)
        task.result()

    async def _attempt(self, what: str, method: Callable[..., Any], *arguments: Any, policy: retries.Policy) -> Any:
        """Return an activity's result, or None with a note of the problem: the review goes on without it."""
        try:
            return await workflow.execute_activity_method(method, args=arguments, **policy.options)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            problem = f"{what}: {getattr(error.cause, 'type', None) or type(error.cause).__name__}"
            self._change(problems=(*self._state.problems, problem))
            return None

    async def _call(self, method: Callable[..., Any], *arguments: Any) -> None:
        await self._attempt(method.__name__, method, *arguments, policy=retries.FOLLOW_TASK)

    def _follow(self, work: Any) -> None:
        self._following.append(asyncio.ensure_future(work))

    async def _assign(self) -> None:
        async with self._one_assignment_at_a_time:  # so that the last one to be asked for is the last one to arrive
            await self._call(TaskActivities.assign_task, self._state.task, self._state.assignee)

    def _ended(self) -> bool:
        return self._state.decision is not None or self._state.withdrawal is not None

    def _outcome(self, *, expired: bool) -> Outcome:
        decision, info = self._state.decision, workflow.info()
        if decision is not None:
            status = STATUS_OF[decision.verdict]
        elif self._state.withdrawal is not None:
            status = Status.WITHDRAWN
        else:
            status = Status.EXPIRED_UNREVIEWED if expired else Status.CANCELLED
        self._change(resumed_at=workflow.now())
        return Outcome(workflow_id=info.workflow_id, run_id=info.run_id, case=self._case, status=status, ended_at=workflow.now(),
                       state=self._state)

    def _change(self, **fields: Any) -> None:
        self._state = self._state.model_copy(update=fields)

    def _show(self, status: Status | None = None) -> None:
        appearance.show(self._case, self._state, status)

    def _receipt(self, request: Request) -> Receipt:
        info = workflow.info()
        return Receipt(event_id=request.event_id, workflow_id=info.workflow_id, run_id=info.run_id, accepted_at=workflow.now())

    def _hand_to(self, assignee: Reviewer | None) -> None:
        self._change(assignee=assignee, requests=self._state.requests + 1)
        self._show()
        self._follow(self._assign())

    @workflow.query(name=STATE_QUERY)
    def state(self) -> ReviewState:
        """Tell how the review stands."""
        return self._state

    @workflow.update(name=UpdateName.DECIDE)
    def decide(self, decision: ReviewDecision) -> Receipt:
        """Take the decision. Nothing is awaited, so that check and change are one step."""
        self._change(decision=decision)
        return self._receipt(decision)

    @decide.validator
    def _check_decision(self, decision: ReviewDecision) -> None:
        _check_event(decision)
        rules.check_decision(self._case, self._state, decision)

    @workflow.update(name=UpdateName.CLAIM)
    def claim(self, claim: Claim) -> Receipt:
        """Take the case."""
        self._hand_to(claim.reviewer)
        return self._receipt(claim)

    @claim.validator
    def _check_claim(self, claim: Claim) -> None:
        _check_event(claim)
        rules.check_claim(self._case, self._state, claim)

    @workflow.update(name=UpdateName.REASSIGN)
    def reassign(self, reassignment: Reassignment) -> Receipt:
        """Give the case to another reviewer, or to all."""
        self._hand_to(reassignment.to)
        return self._receipt(reassignment)

    @reassign.validator
    def _check_reassignment(self, reassignment: Reassignment) -> None:
        _check_event(reassignment)
        rules.check_reassignment(self._case, self._state, reassignment.reviewer, reassignment.to)

    @workflow.update(name=UpdateName.ADD_NOTE)
    def add_note(self, note: Note) -> Receipt:
        """Keep a remark."""
        self._change(notes=(*self._state.notes, note), requests=self._state.requests + 1)
        return self._receipt(note)

    @add_note.validator
    def _check_note(self, note: Note) -> None:
        _check_event(note)
        rules.check_note(self._case, self._state, note)

    @workflow.update(name=UpdateName.WITHDRAW)
    def withdraw(self, withdrawal: Withdrawal) -> Receipt:
        """End the review without a decision."""
        self._change(withdrawal=withdrawal)
        return self._receipt(withdrawal)

    @withdraw.validator
    def _check_withdrawal(self, withdrawal: Withdrawal) -> None:
        _check_event(withdrawal)
        rules.check_withdrawal(self._state, withdrawal)


def _check_event(request: Request) -> None:
    update = workflow.current_update_info()
    if update is not None:
        rules.check_event(request.event_id, update.id)


def _raise_if_cancelled() -> None:
    """Notice a cancel that came while an activity ran: its attempt was awaited, and had a result."""
    if workflow.cancellation_reason() is not None:
        raise asyncio.CancelledError


def _raise_failures(results: Iterable[BaseException | None]) -> None:
    """Fail the workflow, for an operator to see: a ledger holds another outcome of this review, or the code is wrong."""
    for result in results:
        if result is not None and not is_cancelled_exception(result):
            raise result
