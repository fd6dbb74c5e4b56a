"""Judges the sealed candidate: a gate measures and decides (gates/), and its verdict is stored with the digest it is about."""

import time
from dataclasses import dataclass, replace

from kb_platform.index.embed import LoadEmbedder
from kb_platform.knowledge.churn import AcceptedChurn
from kb_platform.knowledge.errors import StateError
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.progress import Progress, silent
from kb_platform.quality.review_cases import verdict_case
from kb_platform.release.gates import GATES, Gate
from kb_platform.release.gates.subject import Subject
from kb_platform.release.reports.evaluation_report import assemble_report
from kb_platform.storage.gates import GateResult, gate_results, record_gate, record_verdict
from kb_platform.storage.releases import Release, candidate, get_release, live_release
from kb_platform.storage.reports import release_changes
from kb_platform.storage.stores import Store


@dataclass(frozen=True)
class NotMeasured:
    """A gate that measured nothing, and the one reason.

    `required` is true where the candidate cannot be promoted without the gate. `standing` is what the gate said of the live release
    when nothing has changed since: it still holds.
    """

    reason: str
    required: bool = False
    standing: GateResult | None = None


def judge(
    store: Store, kb: KnowledgeBase, gate: str, load_embedder: LoadEmbedder, run_id: str, progress: Progress = silent,
    accept_churn: AcceptedChurn | None = None,
) -> GateResult | NotMeasured:
    """Run one gate on the sealed candidate and store what it said.

    Without a candidate (nothing changed) only gates that watch what is live have anything to measure.

    Raises:
        StateError: the candidate is not sealed.
    """
    GATES[gate].settle(store, kb)
    release, live = candidate(store.database), live_release(store.database)
    if release is None:
        if live is None or not GATES[gate].without_candidate:
            return _unchanged(store, kb, GATES[gate], live)
        subject = Subject(store, kb, get_release(store.database, live), live, load_embedder, progress)
        return GATES[gate].measure(subject) or _unchanged(store, kb, GATES[gate], live)
    if release.content_digest is None:
        raise StateError(f"release {release.release_id} is not sealed", where=kb.name, action="materialize release_candidate first")
    progress(f"gate {gate}", 0, None)
    began = time.perf_counter()
    result = GATES[gate].measure(Subject(store, kb, release, live, load_embedder, progress, accept_churn))
    if result is None:
        return NotMeasured(GATES[gate].lacking(kb) or "there is nothing to judge", required=gate in release.required_gates)
    result = replace(result, evidence=result.evidence | {"seconds": round(time.perf_counter() - began, 3)})
    result = _with_case(result, GATES[gate], release, release.content_digest)
    record_gate(store.database, release.release_id, release.content_digest, result, run_id)
    results = _record_overall(store, kb.name, release)
    return replace(result, accepted_by=next((found.accepted_by for found in results if found.gate == gate), None))


def _unchanged(store: Store, kb: KnowledgeBase, gate: Gate, live: int | None) -> NotMeasured:
    if live is None:
        return NotMeasured("there is no release yet")
    standing = next((result for result in gate_results(store.database, live) if result.gate == gate.name), None)
    if standing is None:
        return NotMeasured(gate.lacking(kb) or f"nothing changed since release {live}, which this gate did not judge")
    return NotMeasured(f"nothing changed since release {live}, of which this gate said {standing.verdict}", standing=standing)


def _with_case(result: GateResult, gate: Gate, release: Release, digest: bytes) -> GateResult:
    """Add the case that an inconclusive verdict is; where the gate is not required, it stops nothing and nobody is asked."""
    case = verdict_case(result, gate.case_kind, digest) if gate.name in release.required_gates else None
    return replace(result, cases={**result.cases, gate.case_kind: [case] if case else []})


def _record_overall(store: Store, name: str, release: Release) -> list[GateResult]:
    """Store the verdict over the required gates, and return all results; what others say is in the report, and stops nothing."""
    results = gate_results(store.database, release.release_id)
    said = {result.gate: result.verdict for result in results if result.gate in release.required_gates}
    worst = next((v for v in ("regression", "inconclusive") if v in said.values()), None)
    verdict = worst or ("pass" if set(release.required_gates) <= said.keys() else None)
    if verdict:
        changes = release_changes(store.database, release.release_id)
        report = assemble_report(name, release, verdict, results, changes)
        record_verdict(store.database, release.release_id, verdict, report.to_dict())
    return results
