"""Cases that a person decides. A case is bound to a digest of exactly what a decision would be about."""

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class CaseKind(StrEnum):
    """Why a person is asked."""

    INCONCLUSIVE_VERDICT = "inconclusive_verdict"
    CHURN_OVER_LIMIT = "churn_over_limit"
    STALE_GOLDEN = "stale_golden"
    QUARANTINED_DOCUMENT = "quarantined_document"
    WAIVER = "waiver"


NOT_DECIDED = ("open", "expired", "cancelled")
"""States of a case that waits for a person: its review runs, or has ended without a decision and must be asked for again."""

STATES = (*NOT_DECIDED, "superseded", "withdrawn", "decided")
"""All states of a case."""

VERDICT_KINDS = (CaseKind.INCONCLUSIVE_VERDICT, CaseKind.CHURN_OVER_LIMIT)
"""Cases about a gate's verdict on a release: their subject is the gate, and an undone seal withdraws them."""


@dataclass(frozen=True)
class ReviewCase:
    """One case. `facts` are ids, digests and numbers, ready for JSON: never a document's or a question's text."""

    kind: CaseKind
    subject: str
    digest: bytes
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ReviewRules:
    """Who reviews the cases of a knowledge base, and how long they may take."""

    roles: tuple[str, ...] = ("kb-reviewer",)
    brief: bool = False
    escalate_after: tuple[dt.timedelta, ...] = (dt.timedelta(hours=24), dt.timedelta(hours=72))
    expire_after: dt.timedelta = dt.timedelta(days=7)


def verdict_digest(content_digest: bytes, golden_hash: str | None) -> bytes:
    """Return what a decision about a verdict is bound to: the content, and the goldens where some took part.

    The database computes it too (migrations/sql/0006_reviews.sql), and accepts no decision about another one.
    """
    return hashlib.sha256(content_digest + bytes.fromhex(golden_hash)).digest() if golden_hash else content_digest
