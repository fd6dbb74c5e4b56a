"""How reviews ended, with what that changed: written in one transaction, once a review."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString

import psycopg

from kb_platform.knowledge.errors import StateError
from kb_platform.knowledge.reviews import Effect, ReviewEnd, decide_effect
from kb_platform.storage.database import Database

# Whether an acceptance counts for a gate's present verdict: as gate_is_passed() says (migrations/sql/0006_reviews.sql).
COUNTS: LiteralString = """(a.release_id, a.gate, a.content_digest, a.verdict) = (g.release_id, g.gate, g.content_digest, g.verdict)
  and a.golden_hash is not distinct from g.golden_hash"""


# Churn that whoever refreshed has accepted (release/gates/churn.py): the verdict itself holds it, as `g`.
ACCEPTED_BY: LiteralString = "case when g.gate = 'churn' then g.evidence #>> '{accepted,by}' end"


@dataclass(frozen=True)
class AppliedEnd:
    """What the end of a review changed; `case_id` and `kind` are its case's."""

    review_id: str
    case_id: int
    kind: str
    subject: str
    release: int | None
    effect: str
    note: str


@dataclass(frozen=True)
class Outcome:
    """How the review of a case ended, for people."""

    case_id: int
    kind: str
    subject: str
    digest: bytes
    release: int | None
    review_id: str
    status: str
    effect: str
    note: str
    reviewer: str | None
    reason: str
    ended_at: dt.datetime
    facts: dict[str, object]


@dataclass(frozen=True)
class Acceptance:
    """A verdict that a person let pass: who, why, and in which review; none (empty) where churn was accepted by whoever refreshed."""

    release: int
    gate: str
    verdict: str
    reviewer: str
    reason: str
    review_id: str
    at: dt.datetime
    asked_by: str | None


def apply_end(database: Database, end: ReviewEnd) -> AppliedEnd | None:
    """Write down how a review ended and let it have its effect; None where that was done before, or the review is not of this base.

    Raises:
        StateError: the database refuses what the worker wrote: it is about other content than the case, or ended as nobody knows.
    """
    try:
        return _apply(database, end)
    except psycopg.errors.CheckViolation as error:
        raise StateError(f"the end of a review cannot be applied: {error.diag.message_primary}",
                         where=f"{database.name}, review {end.review_id}", action="look at its row of review.decision") from error


def _apply(database: Database, end: ReviewEnd) -> AppliedEnd | None:
    with database.transaction("decider") as c:
        found = c.execute("""select c.case_id, c.kind, c.subject, c.release_id, c.state = 'open' and c.changed_at = l.opened_at
                            from review_case c join review_ledger l using (case_id) where l.review_id = %s""", (end.review_id,)).fetchone()
        if found is None:
            return None
        case_id, kind, subject, release, current = found
        effect, state = decide_effect(kind, end, current=current)
        note = ""
        try:
            with c.transaction():
                if not _record(c, end, effect):
                    return None
                if effect is Effect.ACCEPTED:
                    c.execute("insert into acceptance (review_id) values (%s)", (end.review_id,))
        except psycopg.errors.CheckViolation as error:  # the database knows why an approval does not count
            if effect is not Effect.ACCEPTED:
                raise
            effect, note = Effect.REFUSED, error.diag.message_primary or str(error)
            if not _record(c, end, effect, note):
                return None
        if state:
            c.execute("update review_case set state = %s where case_id = %s and state = 'open'", (state, case_id))
        return AppliedEnd(end.review_id, case_id, kind, subject, release, effect.value, note)


def _record(connection: psycopg.Connection, end: ReviewEnd, effect: Effect, note: str = "") -> bool:
    return connection.execute(
        """insert into review_outcome (review_id, run_id, digest, status, reviewer_issuer, reviewer_id, reviewer_name, reason, decided_at,
             ended_at, effect, note)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict (review_id) do nothing""",
        (end.review_id, end.run_id, end.digest, end.status, end.reviewer_issuer, end.reviewer_id, end.reviewer_name, end.reason,
         end.decided_at, end.ended_at, effect.value, note)).rowcount == 1


def outcomes(database: Database, case_ids: Sequence[int]) -> list[Outcome]:
    """Return how the reviews of some cases ended, oldest first."""
    return _outcomes(database, "c.case_id = any(%s)", list(case_ids))


def outcomes_with(database: Database, effect: Effect) -> list[Outcome]:
    """Return the reviews that had an effect, oldest first."""
    return _outcomes(database, "o.effect = %s", effect.value)


def _outcomes(database: Database, where: LiteralString, value: object) -> list[Outcome]:
    with database.transaction("gate") as c:
        rows = c.execute(
            f"""select c.case_id, c.kind, c.subject, c.digest, c.release_id, o.review_id, o.status, o.effect, o.note,
                  coalesce(nullif(o.reviewer_name, ''), o.reviewer_id), o.reason, o.ended_at, c.facts
                from review_outcome o join review_ledger l using (review_id) join review_case c using (case_id)
                where {where} order by o.applied_at""", (value,))
        return [Outcome(*row) for row in rows]


def acceptances(database: Database) -> list[Acceptance]:
    """Return what people let pass, oldest first: those that count for the content and the verdicts that each release holds."""
    with database.transaction("gate") as c:
        rows = c.execute(
            f"""select a.release_id, a.gate, a.verdict, o.reviewer_id, o.reason, a.review_id, a.at, c.asked_by
                from acceptance a join gate_result g on {COUNTS} join release r on (r.release_id, r.content_digest) = (g.release_id, g.content_digest)
                join review_outcome o using (review_id) join review_ledger l using (review_id) join review_case c using (case_id)
                union all
                select g.release_id, g.gate, 'inconclusive', {ACCEPTED_BY}, g.evidence #>> '{{accepted,reason}}', '',
                  (g.evidence #>> '{{accepted,at}}')::timestamptz, null
                from gate_result g join release r using (release_id, content_digest) where {ACCEPTED_BY} is not null
                order by 7""")
        return [Acceptance(*row) for row in rows]
