"""Verdicts beside the release they are about, bound to the digest of its sealed content."""

from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from kb_platform.storage.database import Database


@dataclass(frozen=True)
class GateResult:
    """What one gate said about one sealed content."""

    gate: str
    passed: bool
    verdict: str
    metric: float | None
    threshold: float | None
    evidence: dict[str, Any]
    golden_hash: str | None = None


def record_gate(database: Database, release_id: int, digest: bytes, result: GateResult, run_id: str) -> None:
    """Store a verdict; a later one about the same content replaces it while the release is undecided."""
    with database.transaction("gate") as c:
        c.execute(
            """insert into gate_result (release_id, gate, content_digest, passed, verdict, metric, threshold, evidence, golden_hash, run_id)
               values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
               on conflict (release_id, gate, content_digest) do update set passed = excluded.passed, verdict = excluded.verdict,
                 metric = excluded.metric, threshold = excluded.threshold, evidence = excluded.evidence,
                 golden_hash = excluded.golden_hash, run_id = excluded.run_id, at = now()""",
            (release_id, result.gate, digest, result.passed, result.verdict, result.metric, result.threshold,
             Jsonb(result.evidence), result.golden_hash, run_id))


def gate_results(database: Database, release_id: int) -> list[GateResult]:
    """Return the verdicts about the content that the release holds now."""
    with database.transaction("gate") as c:
        rows = c.execute(
            """select g.gate, g.passed, g.verdict, g.metric, g.threshold, coalesce(g.evidence, '{}'), g.golden_hash
               from gate_result g join release r using (release_id, content_digest) where release_id = %s order by gate""", (release_id,))
        return [GateResult(*row) for row in rows]


def record_verdict(database: Database, release_id: int, verdict: str, report: dict[str, Any]) -> None:
    """Store the verdict over all required gates, and the report, with the release."""
    with database.transaction("gate") as c:
        c.execute("update release set verdict = %s, report = %s where release_id = %s", (verdict, Jsonb(report), release_id))
