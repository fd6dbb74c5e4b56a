"""The rule for workflow ids.

    review/<kind>/<knowledge base>/<case id>/<opened at>/<digest>
    review/quarantined_document/handbook/17/20261125T081500.250000Z/9f86d081884c7d65

- The subject is left out: ids are never encrypted, and a document's name may be a patient's.
- The case id is the row of the outbox. The digest (its first 16 digits) binds the id to what is reviewed, for whoever reads it.
- A case that was withdrawn and came back is the same row, opened again: only the time of its opening is another, and so is its
  review. The outbox keeps that time as `changed_at` of an open row, to the microsecond, and it cannot move while the row is open.
  A counter would not do: a knowledge base that was dropped and built again counts its cases from 1 again, and would find the
  reviews of its predecessor.

Starting is idempotent: the same opening is the same id (REJECT_DUPLICATE, USE_EXISTING). Temporal remembers an id only as long as
it keeps the history, so whoever starts reviews keeps a ledger of the ids, written before the start and read to withdraw: the
opening's time is no longer in the outbox once the case has ended.
"""

import datetime as dt
import re

from kb_contracts.cases import ReviewCase

SHOWN_DIGITS = 16
RULE = re.compile(
    r"review/(?P<kind>[a-z][a-z0-9_]{0,47})/(?P<knowledge_base>[a-z][a-z0-9_]{0,47})/(?P<case>[1-9][0-9]{0,17})/"
    r"(?P<opened>[0-9]{8}T[0-9]{6}\.[0-9]{6})Z/[0-9a-f]{16}")


def workflow_id(case: ReviewCase) -> str:
    """Return the id of the review of this opening of a case."""
    opened = case.opened_at.astimezone(dt.UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    return f"review/{case.kind}/{case.knowledge_base}/{case.case_id}/{opened}/{case.digest[:SHOWN_DIGITS]}"


def case_of(review: str) -> tuple[str, int] | None:
    """Return knowledge base and case of a review's id; None for what is no such id."""
    found = RULE.fullmatch(review)
    return (found["knowledge_base"], int(found["case"])) if found else None
