"""The task system that an EHR is."""

import datetime as dt
from collections.abc import Callable
from contextlib import suppress

from kb_contracts.decisions import Reviewer
from kb_contracts.outcomes import Status, TaskRef
from kb_review_worker.adapters.fhir.client import FhirClient, Resource, StaleVersion, rejected, unavailable
from kb_review_worker.adapters.fhir.resources import closed, escalated, identified_by, new_task, with_due, with_owner
from kb_review_worker.ports import KnownTask, NewTask

SYSTEM = "fhir"
ROUNDS = 5  # an update that loses to others so often waits for the activity's next attempt


class FhirTasks:
    """Tasks of the EHR, one for each review. A change is made to the version that was read, or not at all."""

    def __init__(self, client: FhirClient) -> None:
        self._client = client

    async def create(self, task: NewTask) -> TaskRef:
        """Make the Task, or find it: the review's id is its identifier."""
        made = await self._client.create(new_task(task, dt.datetime.now(dt.UTC)), unless=identified_by(task.review_id))
        return TaskRef(system=SYSTEM, id=str(made["id"]))

    async def set_due(self, task: KnownTask, due_at: dt.datetime) -> None:
        """Set the time by which it must be decided."""
        await self._change(task, lambda found: with_due(found, due_at))

    async def assign(self, task: KnownTask, to: Reviewer | None) -> None:
        """Show who is at it."""
        await self._change(task, lambda found: with_owner(found, to, self._client.base))

    async def escalate(self, task: KnownTask, level: int) -> None:
        """Raise its priority, and note why."""
        await self._change(task, lambda found: escalated(found, level))

    async def close(self, task: KnownTask, status: Status) -> None:
        """Close it, unless it is closed or was never made."""
        await self._change(task, lambda found: closed(found, status), may_be_absent=True)

    async def _change(self, task: KnownTask, change: Callable[[Resource], Resource], *, may_be_absent: bool = False) -> None:
        for _ in range(ROUNDS):
            found = await self._find(task)
            if found is None and not may_be_absent:
                raise rejected("the EHR has no Task of this review (any more)")
            changed = change(found) if found else None
            if changed is None or changed == found:  # also keeps our own updates from calling each other through the EHR's webhook
                return
            with suppress(StaleVersion):
                await self._client.update(changed)
                return
        raise unavailable(f"PUT Task: {ROUNDS} times another version came between")

    async def _find(self, task: KnownTask) -> Resource | None:
        if task.ref is not None:
            return await self._client.read("Task", task.ref.id)
        name, _, value = identified_by(task.review_id).partition("=")
        found = await self._client.search("Task", **{name: value})
        if len(found) > 1:
            raise rejected(f"the EHR has {len(found)} Tasks of this review")
        return found[0] if found else None
