"""The gates (release/gates) as asset checks on release_candidate: a required one blocks, so that promotion stops within the run.

Promotion re-verifies in the database all the same. A blocking check says ERROR also where it is inconclusive: WARN would pass. A
verdict that a reviewer has accepted for this content stands as it is, and no longer blocks.
What measured nothing is never green: it warns with its reason, and blocks where the candidate cannot be promoted without it.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from kb_platform.components.executors.choice import pod_tags
from kb_platform.components.knowledge_base.churn_tags import accepted_churn
from kb_platform.components.knowledge_base.perseverance import persevering
from kb_platform.components.knowledge_base.query_tables import first_lost, query_tables
from kb_platform.components.knowledge_base.report_metadata import show_figures
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.release.gates import GATES, GOLDEN_GATE, JUDGED_GATE, Gate, is_asked_for, may_block
from kb_platform.resources.platform import Platform

if TYPE_CHECKING:
    from kb_platform.release.judge import NotMeasured
    from kb_platform.storage.gates import GateResult


def gate_checks(kb: KnowledgeBase) -> Sequence[dg.AssetChecksDefinition]:
    """Return one check for each gate that the YAML asks for. Those that this knowledge base does not require warn."""
    return [_check(kb, gate) for gate in GATES.values() if is_asked_for(gate, kb)]


def verified_check(kb: KnowledgeBase) -> dg.AssetChecksDefinition:
    """Return the check of what is live, which runs with the maintenance: every day where that is scheduled."""

    @dg.asset_check(asset=dg.AssetKey([kb.name, "maintenance"]), name="verified", op_tags=pod_tags(kb, kb.compute.run_pods),
                    description="Digests, signatures, promotions and guards are as they were sealed, signed and shipped: what `kb verify` does.")
    def verified(platform: Platform) -> dg.AssetCheckResult:
        from kb_platform.resources.reviews import decisions_url
        from kb_platform.storage.verify import verify

        done = verify(platform.store(kb).database, reviews=decisions_url())
        numbers = {"releases": len(done.releases), "documents": done.documents, "verdicts": done.verdicts, "promotions": done.promotions}
        return dg.AssetCheckResult(passed=done.holds, severity=dg.AssetCheckSeverity.ERROR, description=done.wrong[0] if done.wrong else "all holds",
                                   metadata={**numbers, "wrong": dg.MetadataValue.json(list(done.wrong))})

    return verified


def _check(kb: KnowledgeBase, gate: Gate) -> dg.AssetChecksDefinition:
    blocking = may_block(gate, kb)

    @dg.asset_check(asset=dg.AssetKey([kb.name, "release_candidate"]), name=gate.name, blocking=blocking, description=gate.description,
                    op_tags=pod_tags(kb, kb.compute.run_pods))
    @persevering
    def check(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
        from kb_platform.release.judge import NotMeasured, judge

        found = judge(platform.store(kb), kb, gate.name, platform.embedder, context.run.run_id, platform.progress,
                      accepted_churn(context.run.tags))
        if isinstance(found, NotMeasured):
            return unmeasured(found, _links(kb, gate.name, None))
        return _as_check(found, {**show_figures(context, kb, found), **_links(kb, gate.name, found.evidence.get("release"))}, blocking=blocking)

    return check


def unmeasured(found: "NotMeasured", links: Mapping[str, Any]) -> dg.AssetCheckResult:
    """Return a check that measured nothing: passed only where what the gate said of an unchanged release still stands."""
    severity = dg.AssetCheckSeverity.ERROR if found.required else dg.AssetCheckSeverity.WARN
    standing = found.standing
    said = {} if standing is None else {"verdict": standing.verdict, **({"accepted_by": standing.accepted_by} if standing.accepted_by else {})}
    stands = standing is not None and (standing.passed or standing.accepted_by is not None)
    return dg.AssetCheckResult(passed=stands, severity=severity,
                               description=f"nothing was judged: {found.reason}", metadata={"measured": False, **said, **links})


def _links(kb: KnowledgeBase, gate: str, release: int | None) -> dict[str, Any]:
    """Return where to look further: the report, the files that set the limits and ask the questions, the page that explains the gate."""
    page = "evaluate.md" if gate in (GOLDEN_GATE, JUDGED_GATE) else "configure-a-knowledge-base.md#churn" if gate == "churn" else "configure-a-knowledge-base.md#gates"
    goldens = {"goldens": dg.MetadataValue.path(str(kb.folder / "golden"))} if gate in (GOLDEN_GATE, JUDGED_GATE) else {}
    number = "" if release is None else f" --release {release}"
    return {"report": f"kb report {kb.name}{number} --html report.html", "limits": dg.MetadataValue.path(str(kb.folder / "defs.yaml")), **goldens,
            "explained in": f"docs/{page}"}


def _as_check(result: "GateResult", shown: Mapping[str, Any], *, blocking: bool) -> dg.AssetCheckResult:
    unit = GATES[result.gate].unit
    numbers = {"metric": result.metric, "threshold": result.threshold, "unit": unit or None}
    numbers |= {f"golden/{name}": value for name, value in result.evidence.get("metrics", {}).items()}
    numbers |= {f"usage/{name}": value for name, value in result.evidence.get("usage", {}).items()}
    severity = dg.AssetCheckSeverity.ERROR if blocking else dg.AssetCheckSeverity.WARN
    said = [] if result.passed else [lost] if (lost := first_lost(result.evidence)) else []
    return dg.AssetCheckResult(
        passed=result.passed or result.accepted_by is not None, severity=severity, description="; ".join([*said, *result.reasons]) or result.verdict,
        metadata={"verdict": result.verdict, **({"accepted_by": result.accepted_by} if result.accepted_by else {}), **{name: value for name, value in numbers.items() if value is not None},
                  "reasons": dg.MetadataValue.md("\n".join(f"- {reason}" for reason in result.reasons) or "none"),
                  **query_tables(result.evidence), **shown},
    )
