"""The gates as asset checks on release_candidate: blocking, so that a failed one stops promotion within the run.

Promotion re-verifies in the database all the same. A blocking check says ERROR also where it is inconclusive: WARN would pass.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.resources import Platform

if TYPE_CHECKING:
    from kb_platform.storage.gates import GateResult

DESCRIPTIONS = {
    "coverage": "Every live document has a chunk, and no more documents failed to parse than allowed.",
    "index_recall": "The HNSW index finds what exact search finds.",
    "embedding_health": "Vectors are finite, of length 1, of the space's dimension, and differ.",
    "golden_retrieval": "Golden queries: floors by slice, and paired against the live release.",
}


def gate_checks(kb: KnowledgeBase) -> Sequence[dg.AssetChecksDefinition]:
    """Return one check a gate."""
    return [_check(kb, gate) for gate in DESCRIPTIONS]


def _check(kb: KnowledgeBase, gate: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=dg.AssetKey([kb.name, "release_candidate"]), name=gate, blocking=True, description=DESCRIPTIONS[gate])
    def check(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
        from kb_platform.release.judge import judge

        return _as_check(judge(platform.store(kb), kb, gate, platform.embedder, context.run.run_id))

    return check


def _as_check(result: "GateResult | None") -> dg.AssetCheckResult:
    if result is None:
        return dg.AssetCheckResult(passed=True, metadata={"note": "nothing to judge: no candidate, or no golden queries"})
    numbers = {name: value for name, value in (("metric", result.metric), ("threshold", result.threshold)) if value is not None}
    reasons = [r if isinstance(r, str) else r["message"] for r in result.evidence.get("reasons", ())]
    return dg.AssetCheckResult(
        passed=result.passed, severity=dg.AssetCheckSeverity.ERROR, description="; ".join(reasons) or result.verdict,
        metadata={"verdict": result.verdict, **numbers, **{f"golden/{k}": v for k, v in result.evidence.get("metrics", {}).items()},
                  "reasons": dg.MetadataValue.md("\n".join(f"- {reason}" for reason in reasons) or "none")},
    )
