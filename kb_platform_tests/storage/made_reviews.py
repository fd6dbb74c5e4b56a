"""Reviews of made cases, ended as the review worker would write it down."""

import datetime as dt

from kb_platform.knowledge.reviews import UNDECIDED, ReviewEnd
from kb_platform.storage.database import Database
from kb_platform.storage.review_cases import StoredCase, list_cases
from kb_platform.storage.review_ledger import mark_started, register_review

NOW = dt.datetime(2026, 11, 25, 9, 0, tzinfo=dt.UTC)


def open_case(database: Database, subject: str, kind: str | None = None) -> StoredCase:
    """Return the open case about a subject."""
    (found,) = (c for c in list_cases(database, ("open",)) if c.subject == subject and kind in (None, c.kind))
    return found


def start(database: Database, case: StoredCase) -> str:
    """Register and start the review of a case; return its id."""
    review = f"review/{case.kind}/{database.name}/{case.case_id}/{case.changed_at.timestamp()}"
    assert register_review(database, review, case)
    mark_started(database, review)
    return review


def end(case: StoredCase, review: str, status: str = "approved", by: str = "dr.reviewer", **changes: object) -> ReviewEnd:
    """Return how the review of a case ended."""
    person = None if status in UNDECIDED else by
    values: dict[str, object] = {"review_id": review, "run_id": "run", "digest": case.digest, "status": status, "reviewer_issuer": person and "https://id",
                                 "reviewer_id": person, "reviewer_name": person, "reason": "seen", "decided_at": NOW, "ended_at": NOW}
    return ReviewEnd(**(values | changes))  # pyright: ignore[reportArgumentType]
