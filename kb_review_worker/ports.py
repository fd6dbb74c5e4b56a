"""What the worker needs from outside, as four ports. Activities call them; adapters and storage implement them.

Every method may be called again with the same arguments, also after it succeeded: activities run at least once. Where a call can
never succeed, it raises ApplicationError(non_retryable=True); any other error is retried as `retries.py` says. Messages of errors
go into Temporal's history: they name what failed and never quote a body.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from kb_contracts.cases import ReviewCase
from kb_contracts.decisions import Reviewer
from kb_contracts.outcomes import Brief, Outcome, Status, TaskRef


@dataclass(frozen=True)
class NewTask:
    """A task to be made. `review_id` (the workflow id) is its identity: a second task with the same one is the first."""

    review_id: str
    run_id: str
    case: ReviewCase
    brief: Brief | None


@dataclass(frozen=True)
class KnownTask:
    """A task that was made: `ref` is None where the worker never heard of its making, and it is found by `review_id`."""

    review_id: str
    ref: TaskRef | None


class TaskSystem(Protocol):
    """Where reviewers find their work: the built-in inbox, or an EHR."""

    async def create(self, task: NewTask) -> TaskRef:
        """Make the task, or find it."""
        ...

    async def set_due(self, task: KnownTask, due_at: dt.datetime) -> None:
        """Tell by when it must be decided."""
        ...

    async def assign(self, task: KnownTask, to: Reviewer | None) -> None:
        """Show who is at it; None: nobody in particular."""
        ...

    async def escalate(self, task: KnownTask, level: int) -> None:
        """Raise its urgency to a level, never lower it."""
        ...

    async def close(self, task: KnownTask, status: Status) -> None:
        """Close it, unless it is closed or was never made."""
        ...


class BriefWriter(Protocol):
    """A model that helps the reviewer."""

    async def write(self, case: ReviewCase) -> Brief:
        """Draft a brief: one request, no retries of its own."""
        ...


class DecisionLedger(Protocol):
    """Where the platform reads how reviews ended."""

    async def record(self, outcome: Outcome) -> None:
        """Write an outcome down, once for each review."""
        ...


@dataclass(frozen=True)
class AuditEvent:
    """One thing that happened, or that somebody tried. `review_id`, `run_id`, `name` and `event_id` together are its identity."""

    name: str
    review_id: str
    run_id: str
    knowledge_base: str
    case_id: int
    digest: str
    at: dt.datetime
    who: Reviewer | None = None
    meaning: str = ""
    event_id: str = ""
    details: Mapping[str, str | int] = field(default_factory=dict)


class AuditSink(Protocol):
    """The trail that auditors read."""

    async def record(self, event: AuditEvent) -> None:
        """Keep an event, once for each identity."""
        ...
