"""The task that reviewers see. What happened to it is told to the audit sink in the same attempt, after it happened."""

import datetime as dt

from temporalio import activity

from kb_contracts.cases import ReviewCase
from kb_contracts.decisions import Reviewer
from kb_contracts.outcomes import Brief, Escalation, Status, TaskRef
from kb_review_worker.activities.audit import event_of
from kb_review_worker.ports import AuditSink, KnownTask, NewTask, TaskSystem


class TaskActivities:
    """Makes, follows and closes the task of a review."""

    def __init__(self, tasks: TaskSystem, audit: AuditSink) -> None:
        self._tasks, self._audit = tasks, audit

    @activity.defn
    async def create_task(self, case: ReviewCase, brief: Brief | None) -> TaskRef:
        """Make the task, or find the one that an earlier attempt made."""
        info = activity.info()
        ref = await self._tasks.create(NewTask(str(info.workflow_id), str(info.workflow_run_id), case, brief))
        await self._audit.record(event_of("task_created", case, info.scheduled_time, meaning=f"{ref.system} {ref.id}"))
        return ref

    @activity.defn
    async def set_due_time(self, task: TaskRef | None, due_at: dt.datetime) -> None:
        """Show by when it must be decided."""
        await self._tasks.set_due(_known(task), due_at)

    @activity.defn
    async def assign_task(self, task: TaskRef | None, to: Reviewer | None) -> None:
        """Show who is at it."""
        await self._tasks.assign(_known(task), to)

    @activity.defn
    async def escalate_task(self, case: ReviewCase, task: TaskRef | None, escalation: Escalation) -> None:
        """Raise its urgency."""
        await self._tasks.escalate(_known(task), escalation.level)
        await self._audit.record(event_of(f"escalated_{escalation.level}", case, escalation.at))

    @activity.defn
    async def close_task(self, task: TaskRef | None, status: Status) -> None:
        """Close it."""
        await self._tasks.close(_known(task), status)


def _known(task: TaskRef | None) -> KnownTask:
    return KnownTask(str(activity.info().workflow_id), task)
