"""Brings decisions back: what the review worker wrote down has its effect, once."""

import hashlib
from dataclasses import dataclass

from kb_platform.knowledge.errors import StateError
from kb_platform.storage.database import Database
from kb_platform.storage.releases import candidate
from kb_platform.storage.review_decisions import read_ends
from kb_platform.storage.review_ledger import unfinished_reviews
from kb_platform.storage.review_outcomes import AppliedEnd, acceptances, apply_end


@dataclass(frozen=True)
class Decisions:
    """What was applied, and why the first one that cannot be was not: it keeps back no other."""

    applied: tuple[AppliedEnd, ...]
    trouble: str = ""


def apply_decisions(database: Database, review_url: str) -> Decisions:
    """Apply the ends of all reviews that have ended; each is a transaction of its own.

    Raises:
        TransientError: a database does not answer; what was applied stays applied.
    """
    done: list[AppliedEnd] = []
    troubles: list[str] = []
    for end in read_ends(review_url, unfinished_reviews(database)):
        try:
            done += [applied] if (applied := apply_end(database, end)) else []
        except StateError as error:
            troubles.append(str(error))
    return Decisions(tuple(done), troubles[0] if troubles else "")


def accepted_candidate(database: Database) -> str | None:
    """Return a name of the sealed candidate that may be promoted because reviewers accepted verdicts; None where there is none.

    The name is of release, content and the acceptances that count: whoever asks for one promotion a name asks once, and again after another decision.
    """
    release = candidate(database)
    if release is None or not release.promotable or release.content_digest is None:
        return None
    accepted = " ".join(a.review_id for a in acceptances(database) if a.release == release.release_id)
    if not accepted:
        return None
    return f"{release.release_id}/{release.content_digest.hex()[:16]}/{hashlib.sha256(accepted.encode()).hexdigest()[:8]}"
