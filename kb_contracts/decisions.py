"""What people and the platform ask of a review that is running: each is one Update, whose id is the `event_id`."""

from enum import StrEnum

from pydantic import Field

from kb_contracts.message import Digest, EventId, Message, Storable, Text, Time


class Verdict(StrEnum):
    """What a reviewer can decide."""

    APPROVE = "approve"
    REJECT = "reject"
    REQUEST_CHANGES = "request_changes"


class Reviewer(Message):
    """A person, as a verified token or the task system's own record says; never as a webhook's body says."""

    id: str = Field(min_length=1, max_length=255, description="The token's `sub`, or the practitioner's id.")
    issuer: str = Field(min_length=1, max_length=500, description="Who vouches for it: an issuer's or a task system's URL.")
    name: Storable = Field(default="", max_length=255)
    roles: tuple[str, ...] = ()
    token_id: str = Field(default="", max_length=255, description="The token's `jti`, so that an auditor finds the login.")


class ReviewDecision(Message):
    """A reviewer's verdict on exactly one digest."""

    event_id: EventId
    verdict: Verdict
    reviewer: Reviewer
    digest: Digest = Field(description="Of what the reviewer had on the screen.")
    reason: Text = Field(default="", description="Required unless the verdict is to approve.")
    decided_at: Time | None = Field(default=None, description="By the task system's clock; the receipt has the worker's.")


class Claim(Message):
    """A reviewer takes a case. It shows that somebody is at it, and keeps nobody else from deciding."""

    event_id: EventId
    reviewer: Reviewer


class Reassignment(Message):
    """A reviewer gives a case to another, or back to all of them."""

    event_id: EventId
    reviewer: Reviewer
    to: Reviewer | None = None


class Withdrawal(Message):
    """The platform needs no decision any more: the subject has changed, or the reason has gone."""

    event_id: EventId
    reason: Text = ""
    superseded_by: str | None = Field(default=None, description="Workflow id of the review of the newer version.")


class Note(Message):
    """A remark of a reviewer."""

    event_id: EventId
    reviewer: Reviewer
    text: Text = Field(min_length=1)


class Receipt(Message):
    """An accepted request. The same `event_id` always gets the same receipt, also after the review has ended."""

    event_id: EventId
    workflow_id: str
    run_id: str
    accepted_at: Time
