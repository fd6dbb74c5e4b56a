"""Cases and reviewers for tests. What is said of them is made up; nothing is taken from a patient."""

import datetime as dt
import hashlib
import itertools
from typing import Any

from kb_contracts.cases import ReviewCase
from kb_contracts.decisions import ReviewDecision, Reviewer, Verdict

NUMBERS = itertools.count(1)
EVENTS = itertools.count(1)
OPENED = dt.datetime(2026, 11, 25, 8, 15, 0, 250_000, tzinfo=dt.UTC)
ROLE = "clinical-reviewer"
PHRASE = "XYLOPHONE-7731"  # what must be found nowhere in the clear


def case(**fields: Any) -> ReviewCase:
    """Return a case of its own."""
    number = next(NUMBERS)
    values: dict[str, Any] = {
        "knowledge_base": "handbook", "case_id": number, "kind": "quarantined_document", "opened_at": OPENED,
        "digest": hashlib.sha256(str(number).encode()).hexdigest(), "subject": f"docs/{PHRASE}-{number}.pdf",
        "facts": {"source": "docs", "phrase": PHRASE}, "authors": ("dr.author",), "reviewer_roles": (ROLE,),
    }
    return ReviewCase(**values | fields)


def reviewer(name: str = "dr.reviewer", *roles: str) -> Reviewer:
    """Return a person; with the reviewer's role unless others are named."""
    return Reviewer(id=name, issuer="https://id.example.org", name=name.title(), roles=roles or (ROLE,), token_id=f"jti-{name}")


def event() -> str:
    """Return an event's id."""
    return f"Task/1/_history/{next(EVENTS)}"


def decision(about: ReviewCase, verdict: Verdict = Verdict.APPROVE, **fields: Any) -> ReviewDecision:
    """Return a decision about a case."""
    values: dict[str, Any] = {"event_id": event(), "verdict": verdict, "reviewer": reviewer(), "digest": about.digest,
                              "reason": "" if verdict == Verdict.APPROVE else f"because of {PHRASE}"}
    return ReviewDecision(**values | fields)
