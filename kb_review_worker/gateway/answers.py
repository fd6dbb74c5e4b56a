"""What became of a request to a review. Pure."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kb_contracts.decisions import Receipt
from kb_contracts.names import Refusal

State = Literal["accepted", "refused", "ignored"]
UNKNOWN_REVIEW = "UnknownReview"
UNUSABLE = "UnusableReport"
TAKEN = frozenset({Refusal.ALREADY_DECIDED, Refusal.DUPLICATE_DECISION})
STATUS_CODES: Mapping[str, int] = {
    Refusal.REVIEWER_NOT_ALLOWED: 403, Refusal.AUTHOR_MAY_NOT_REVIEW: 403, Refusal.STALE_SUBJECT: 409, Refusal.REASON_MISSING: 422,
    Refusal.DUPLICATE_DECISION: 409, Refusal.ALREADY_DECIDED: 409, Refusal.ALREADY_CLAIMED: 409, Refusal.TOO_MANY_REQUESTS: 409,
    Refusal.REVIEW_CLOSED: 409, UNKNOWN_REVIEW: 404, UNUSABLE: 422,
}
TITLES: Mapping[str, str] = {
    Refusal.REVIEWER_NOT_ALLOWED: "You may not review this", Refusal.AUTHOR_MAY_NOT_REVIEW: "An author may not review this",
    Refusal.STALE_SUBJECT: "This is about another version", Refusal.REASON_MISSING: "A reason is missing",
    Refusal.DUPLICATE_DECISION: "Already decided", Refusal.ALREADY_DECIDED: "Already decided", Refusal.ALREADY_CLAIMED: "Already claimed",
    Refusal.TOO_MANY_REQUESTS: "Too many requests of this review", Refusal.REVIEW_CLOSED: "The review has ended", UNKNOWN_REVIEW: "No such review",
}


@dataclass(frozen=True)
class Ending:
    """By whom and when a review was decided, or how else it ended."""

    status: str
    at: dt.datetime | None = None
    by: str = ""


@dataclass(frozen=True)
class Answer:
    """The answer to a request: a receipt, or a refusal with the ending that stands in its way."""

    state: State
    receipt: Receipt | None = None
    refusal: str = ""
    message: str = ""
    ending: Ending | None = None

    @property
    def status_code(self) -> int:
        """Return the answer's HTTP status."""
        return 200 if self.state != "refused" else STATUS_CODES.get(self.refusal, 409)

    @property
    def title(self) -> str:
        """Return the refusal in a few words."""
        return TITLES.get(self.refusal, "Refused")

    @property
    def stored(self) -> dict[str, Any]:
        """Return it as JSON."""
        ending = self.ending
        return {"receipt": self.receipt.model_dump(mode="json") if self.receipt else None, "refusal": self.refusal, "message": self.message,
                "ending": [ending.status, ending.at.isoformat() if ending.at else None, ending.by] if ending else None}


def accepted(receipt: Receipt) -> Answer:
    """Return the answer to what was accepted."""
    return Answer("accepted", receipt)


def refused(refusal: str, message: str, ending: Ending | None = None) -> Answer:
    """Return a refusal."""
    return Answer("refused", refusal=refusal, message=message, ending=ending)


def read_answer(state: str, stored: Mapping[str, Any]) -> Answer:
    """Return an answer as it was stored."""
    ending, receipt = stored["ending"], stored["receipt"]
    known: State = "accepted" if state == "accepted" else "refused" if state == "refused" else "ignored"
    return Answer(
        known, Receipt.model_validate(receipt) if receipt else None, stored["refusal"], stored["message"],
        Ending(ending[0], dt.datetime.fromisoformat(ending[1]) if ending[1] else None, ending[2]) if ending else None,
    )
