"""Verdicts beside the release they are about, bound to the digest of its sealed content."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from kb_platform.knowledge.errors import StateError
from kb_platform.knowledge.review_cases import VERDICT_KINDS, CaseKind, ReviewCase, verdict_digest
from kb_platform.storage.database import Database
from kb_platform.storage.review_cases import replace_cases, withdraw_waivers
from kb_platform.storage.review_outcomes import ACCEPTED_BY, COUNTS
from kb_platform.storage.signatures import Statement, sign


@dataclass(frozen=True)
class GateResult:
    """What one gate said about one sealed content, and the cases for a person that it found: all there now are, by kind."""

    gate: str
    passed: bool
    verdict: str
    metric: float | None
    threshold: float | None
    evidence: dict[str, Any]
    golden_hash: str | None = None
    cases: Mapping[CaseKind, Sequence[ReviewCase]] = field(default_factory=dict)
    accepted_by: str | None = None
    """Who let this verdict pass, for this content and these goldens: a reviewer, or of churn whoever refreshed."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return why it says so, in sentences; some gates keep more about each."""
        return tuple(reason if isinstance(reason, str) else str(reason["message"]) for reason in self.evidence.get("reasons", ()))


def record_gate(database: Database, release_id: int, digest: bytes, result: GateResult, run_id: str) -> None:
    """Store a signed verdict and its cases in one transaction; a later verdict about the same content counts instead of it.

    Open cases of the kinds in `result.cases` that are not among them any more are withdrawn.

    Raises:
        StateError: the release is not what was measured any more: another refresh has opened, promoted or discarded it.
    """
    metric, threshold = (None if value is None else float(value) for value in (result.metric, result.threshold))
    result = replace(result, metric=metric, threshold=threshold)  # as the database has them, so that the signature holds
    said = Statement(database.name, release_id, digest, result.gate, result.verdict, metric, threshold, result.golden_hash, run_id)
    try:
        with database.transaction("gate") as c:
            c.execute(
                """insert into judgement (release_id, gate, content_digest, verdict, metric, threshold, evidence, golden_hash, run_id, signature)
                   values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
                (release_id, result.gate, digest, result.verdict, result.metric, result.threshold, Jsonb(result.evidence), result.golden_hash,
                 run_id, sign(database.gate_keys, said)))
            for kind, cases in result.cases.items():
                verdict = kind in VERDICT_KINDS
                replace_cases(c, kind, cases, release_id, among=[result.gate] if verdict else None)
            still_asked = verdict_digest(digest, result.golden_hash) if result.verdict == "regression" else None
            withdraw_waivers(c, result.gate, release_id, keep=still_asked)
    except psycopg.errors.CheckViolation as error:
        if error.diag.constraint_name != "a_verdict_is_of_what_is_sealed":  # gate_guard() (migrations/sql/0007_fair_and_named.sql)
            raise
        raise StateError(error.diag.message_primary or str(error), where=database.name,
                         action=f"another refresh was quicker; look at `kb releases {database.name}`, and refresh again") from error


def gate_results(database: Database, release_id: int) -> list[GateResult]:
    """Return the verdicts about the content that the release holds now."""
    with database.transaction("gate") as c:
        rows = c.execute(
            f"""select g.gate, g.passed, g.verdict, g.metric, g.threshold, coalesce(g.evidence, '{{}}'), g.golden_hash,
                 coalesce((select o.reviewer_id from acceptance a join review_outcome o using (review_id) where {COUNTS} limit 1), {ACCEPTED_BY})
               from gate_result g join release r using (release_id, content_digest) where release_id = %s order by gate""", (release_id,))
        return [GateResult(*row[:7], accepted_by=row[7]) for row in rows]


def record_verdict(database: Database, release_id: int, verdict: str, report: dict[str, Any]) -> None:
    """Store the verdict over all required gates, and the report, with the release."""
    with database.transaction("gate") as c:
        c.execute("update release set verdict = %s, report = %s where release_id = %s", (verdict, Jsonb(report), release_id))
