"""How a review stands, and how it ended."""

from enum import StrEnum

from pydantic import Field

from kb_contracts.cases import ReviewCase
from kb_contracts.decisions import Note, ReviewDecision, Reviewer, Verdict, Withdrawal
from kb_contracts.message import Message, Storable, Time


class Phase(StrEnum):
    """Where a review is."""

    OPENING = "opening"
    WAITING = "waiting"
    CLOSING = "closing"
    CLOSED = "closed"


class Status(StrEnum):
    """How a review ended. Each ending is explicit: there is no silent one."""

    APPROVED = "approved"
    REJECTED = "rejected"
    CHANGES_REQUESTED = "changes_requested"
    EXPIRED_UNREVIEWED = "expired_unreviewed"
    WITHDRAWN = "withdrawn"
    CANCELLED = "cancelled"


STATUS_OF = {Verdict.APPROVE: Status.APPROVED, Verdict.REJECT: Status.REJECTED, Verdict.REQUEST_CHANGES: Status.CHANGES_REQUESTED}


class Brief(Message):
    """What a model wrote to help the reviewer. Always shown as machine text."""

    summary: Storable = Field(max_length=5000)
    points: tuple[Storable, ...] = ()
    model: str


class TaskRef(Message):
    """The task in the system that reviewers work in."""

    system: str
    id: str


class Escalation(Message):
    """A deadline that passed without a decision."""

    level: int = Field(ge=1)
    at: Time


class ReviewState(Message):
    """What a query returns, and what the outcome keeps."""

    phase: Phase = Phase.OPENING
    brief: Brief | None = None
    task: TaskRef | None = None
    suspended_at: Time | None = None
    due_at: Time | None = None
    escalations: tuple[Escalation, ...] = ()
    assignee: Reviewer | None = None
    notes: tuple[Note, ...] = ()
    problems: tuple[str, ...] = Field(default=(), description="What did not work and kept nothing back: no brief, no task.")
    requests: int = Field(default=0, ge=0, description="Claims, reassignments and notes so far: Temporal bounds the updates of a workflow.")
    decision: ReviewDecision | None = None
    withdrawal: Withdrawal | None = None
    resumed_at: Time | None = None

    @property
    def level(self) -> int:
        """Return how far the review has been escalated; 0 is not at all."""
        return len(self.escalations)


class Outcome(Message):
    """How a review of a case ended: the workflow's result, and what is written back to the knowledge base."""

    workflow_id: str
    run_id: str
    case: ReviewCase
    status: Status
    ended_at: Time
    state: ReviewState
