"""How a review by a person ended, and what that changes. Which effect a decision has is decided here, and nothing else is done."""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from kb_platform.knowledge.errors import StateError
from kb_platform.knowledge.review_cases import CaseKind


class Effect(StrEnum):
    """What the end of a review changes in the knowledge base."""

    ACCEPTED = "accepted"
    """The verdict counts as passed, for exactly this content and these goldens."""
    REFUSED = "refused"
    """An approval that the database does not let count: content, goldens or verdict have changed, or the four eyes are two."""
    BLOCKED = "blocked"
    """The candidate stays where it is: fix forward, or discard it."""
    DOCUMENT_KEPT = "document_kept"
    """Seen: what cannot be read stays out, and an earlier version of the document stays in."""
    DOCUMENT_DROPPED = "document_dropped"
    """An earlier version of the document goes too, with the next refresh."""
    SOURCE_TO_REPAIR = "source_to_repair"
    """Nothing changes until the source delivers it again."""
    GOLDEN_CHANGE_PROPOSED = "golden_change_proposed"
    """`kb golden proposals` shows the change, for the team to apply."""
    GOLDEN_KEPT = "golden_kept"
    """The golden is right and the documents are not: it stays, and stays stale."""
    ASKED_AGAIN_LATER = "asked_again_later"
    """Nobody decided: the case stays on the list, and opens again when it is found again or asked for."""
    NONE = "none"
    """The case had ended, or was opened anew, before the decision came."""


@dataclass(frozen=True)
class ReviewEnd:
    """How one review ended, as the review worker wrote it down. Without a reviewer nobody decided."""

    review_id: str
    run_id: str
    digest: bytes
    status: str
    reviewer_issuer: str | None
    reviewer_id: str | None
    reviewer_name: str | None
    reason: str
    decided_at: dt.datetime | None
    ended_at: dt.datetime


UNDECIDED = {"expired_unreviewed": "expired", "withdrawn": "cancelled", "cancelled": "cancelled"}
"""Endings without a decision, and the state of a case that was still open then."""

EFFECTS: dict[CaseKind, dict[str, Effect]] = {
    **dict.fromkeys(
        (CaseKind.INCONCLUSIVE_VERDICT, CaseKind.CHURN_OVER_LIMIT, CaseKind.WAIVER),
        {"approved": Effect.ACCEPTED, "rejected": Effect.BLOCKED, "changes_requested": Effect.BLOCKED},
    ),
    CaseKind.QUARANTINED_DOCUMENT: {
        "approved": Effect.DOCUMENT_KEPT, "rejected": Effect.DOCUMENT_DROPPED, "changes_requested": Effect.SOURCE_TO_REPAIR,
    },
    CaseKind.STALE_GOLDEN: {
        "approved": Effect.GOLDEN_CHANGE_PROPOSED, "rejected": Effect.GOLDEN_KEPT, "changes_requested": Effect.GOLDEN_KEPT,
    },
}

_OF_A_VERDICT = {
    "approve": "let this release pass the gate, with exactly this content",
    "reject": "keep the release back; discard it, or refresh with better content",
    "request_changes": "keep the release back until what you ask for is done",
}
CHOICES: dict[CaseKind, dict[str, str]] = {
    **dict.fromkeys((CaseKind.INCONCLUSIVE_VERDICT, CaseKind.CHURN_OVER_LIMIT, CaseKind.WAIVER), _OF_A_VERDICT),
    CaseKind.QUARANTINED_DOCUMENT: {
        "approve": "leave it out: it cannot be read; an earlier version, where there is one, stays searchable",
        "reject": "drop the document: an earlier version is taken out as well",
        "request_changes": "have the source repaired; nothing changes until it is delivered again",
    },
    CaseKind.STALE_GOLDEN: {
        "approve": "the question is out of date: propose to update its passage, or to retire it",
        "reject": "the question is right and the documents are wrong: keep it",
        "request_changes": "keep it until what you ask for is done",
    },
}
"""What each answer means, by kind: shown to the reviewer."""


def decide_effect(kind: str, end: ReviewEnd, *, current: bool) -> tuple[Effect, str | None]:
    """Return a review's effect and the state that its case takes; None: the case is left alone, for it is not that opening any more.

    Raises:
        StateError: the review ended as this release of the platform does not know.
    """
    if not current:
        return Effect.NONE, None
    if end.status in UNDECIDED:
        return Effect.ASKED_AGAIN_LATER, UNDECIDED[end.status]
    if (effect := EFFECTS[CaseKind(kind)].get(end.status)) is None:
        raise StateError(f"a review ended as {end.status!r}", where=end.review_id, expected=", ".join((*EFFECTS[CaseKind(kind)], *UNDECIDED)),
                         action="bring the platform to the review worker's version")
    return effect, "decided"
