"""What the platform asks a person about."""

import datetime as dt
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, model_validator

from kb_contracts.message import Digest, Message, Name, Time

Role = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class ReviewCase(Message):
    """One opening of one case: a row of the platform's outbox, as it was when it was handed over.

    Its deadlines are spans: they count from the moment at which the case can be seen as a task, never from a retry.
    """

    knowledge_base: Name
    case_id: int = Field(ge=1, description="The row in the outbox of that knowledge base.")
    kind: Name
    digest: Digest = Field(description="Of exactly what a decision is about, in hex: another digest is another case.")
    opened_at: Time = Field(description="When the row was opened, or opened again: a case that came back is another review.")
    subject: str = Field(min_length=1, max_length=4000, description="What it is about, as the platform names it. May name a patient.")
    facts: dict[str, Any] = Field(default_factory=dict, description="Ids, digests and numbers for the reviewer.")
    material: str = Field(default="", max_length=100_000, description="The exact text that is decided about; a brief is drawn from it.")
    previous: str = Field(default="", max_length=100_000, description="What stands in its place until now: the reviewer sees the difference.")
    reasons: tuple[str, ...] = Field(default=(), max_length=100, description="Why a person is asked, as the gates say it.")
    sources: tuple[str, ...] = Field(default=(), max_length=100, description="Where it comes from; an https URL is shown as a link.")
    authors: tuple[str, ...] = Field(default=(), description="Who made or asked for what is reviewed: none of them may decide.")
    reviewer_roles: tuple[Role, ...] = Field(min_length=1, description="A reviewer has at least one of these roles.")
    want_brief: bool = False
    escalate_after: tuple[dt.timedelta, ...] = Field(default=(dt.timedelta(hours=24), dt.timedelta(hours=72)), max_length=10)
    expire_after: dt.timedelta = dt.timedelta(days=7)

    @model_validator(mode="after")
    def _deadlines_follow_each_other(self) -> Self:
        spans = (dt.timedelta(0), *self.escalate_after, self.expire_after)
        if any(later <= earlier for earlier, later in zip(spans, spans[1:], strict=False)):
            raise ValueError("each escalation must come after the one before it, and the expiry after all of them")
        return self
