"""Names that both sides must spell alike: a queue's name typed twice fails in silence."""

from enum import StrEnum

WORKFLOW_TYPE = "HumanReview"
TASK_QUEUE = "kb-review"
DEPLOYMENT = "kb-review"
STATE_QUERY = "state"


class UpdateName(StrEnum):
    """The updates of a review."""

    DECIDE = "decide"
    CLAIM = "claim"
    REASSIGN = "reassign"
    WITHDRAW = "withdraw"
    ADD_NOTE = "add_note"


class SearchAttribute(StrEnum):
    """What reviews are found by. They are never encrypted: a kind, a knowledge base, a reviewer's id, no more."""

    CASE_KIND = "CaseKind"
    KNOWLEDGE_BASE = "KnowledgeBase"
    ASSIGNEE = "Assignee"
    REVIEW_STATUS = "ReviewStatus"
    ESCALATION_LEVEL = "EscalationLevel"
    DUE_AT = "DueAt"


INDEX_TYPES = {
    SearchAttribute.CASE_KIND: "Keyword", SearchAttribute.KNOWLEDGE_BASE: "Keyword", SearchAttribute.ASSIGNEE: "Keyword",
    SearchAttribute.REVIEW_STATUS: "Keyword", SearchAttribute.ESCALATION_LEVEL: "Int", SearchAttribute.DUE_AT: "Datetime",
}
"""As `temporal server start-dev --search-attribute NAME=TYPE` takes them."""


class Refusal(StrEnum):
    """Why an update is refused: the `type` of the ApplicationError that the caller gets. A refusal changes nothing."""

    REVIEWER_NOT_ALLOWED = "ReviewerNotAllowed"
    AUTHOR_MAY_NOT_REVIEW = "AuthorMayNotReview"
    STALE_SUBJECT = "StaleSubject"
    REASON_MISSING = "ReasonMissing"
    DUPLICATE_DECISION = "DuplicateDecision"
    ALREADY_DECIDED = "AlreadyDecided"
    ALREADY_CLAIMED = "AlreadyClaimed"
    TOO_MANY_REQUESTS = "TooManyRequests"
    EVENT_ID_MISMATCH = "EventIdMismatch"
    NOT_READY = "NotReady"
    REVIEW_CLOSED = "ReviewClosed"


PASSING_REFUSALS = frozenset({Refusal.NOT_READY})
"""Refusals that the same event may outlive: deliver it again later. All others are final."""
