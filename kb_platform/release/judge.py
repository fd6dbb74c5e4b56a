"""Judges the sealed candidate: each gate measures, decides (quality/, pure), and stores its verdict with the digest it is about."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kb_platform.index.embed import Embedder
from kb_platform.index.fusion import FusionParameters
from kb_platform.index.retrieve import Retriever
from kb_platform.knowledge.errors import StateError
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.quality.gate import decide_gate
from kb_platform.quality.gate_parameters import GateParameters
from kb_platform.quality.golden import Golden, GoldenSet, load_golden_set
from kb_platform.quality.integrity import (
    IntegrityVerdict,
    decide_coverage,
    decide_embedding_health,
    decide_index_recall,
    distance_recall,
)
from kb_platform.quality.metrics import RunMetrics
from kb_platform.quality.passages import DocumentKey, PassageState, resolve_goldens, stale_goldens
from kb_platform.quality.relevance import evaluate_goldens
from kb_platform.storage.gates import GateResult, gate_results, record_gate, record_verdict
from kb_platform.storage.inspect_release import coverage, document_texts, neighbour_distances, sample_vectors
from kb_platform.storage.releases import Release, candidate, live_release
from kb_platform.storage.stores import Store

SAMPLE = 64


@dataclass(frozen=True)
class GoldenScores:
    """A golden set's metrics on one release, and the goldens that could not be judged there."""

    metrics: RunMetrics
    stale: dict[str, PassageState]


def judge(store: Store, kb: KnowledgeBase, gate: str, load_embedder: Callable[[], Embedder], run_id: str) -> GateResult | None:
    """Run one gate on the sealed candidate and store what it said; None when there is no candidate (nothing changed).

    Raises:
        StateError: the candidate is not sealed.
    """
    release = candidate(store.database)
    if release is None:
        return None
    if release.content_digest is None:
        raise StateError(f"release {release.release_id} is not sealed", where=kb.name, action="materialize release_candidate first")
    result = GATES[gate](store, kb, release, load_embedder)
    if result is None:
        return None
    record_gate(store.database, release.release_id, release.content_digest, result, run_id)
    _record_overall(store, release)
    return result


def _record_overall(store: Store, release: Release) -> None:
    results = gate_results(store.database, release.release_id)
    said = {result.verdict for result in results}
    worst = next((v for v in ("regression", "inconclusive") if v in said), None)
    complete = set(release.required_gates) <= {result.gate for result in results}
    verdict = worst or ("pass" if complete else None)
    if verdict:
        record_verdict(store.database, release.release_id, verdict, {r.gate: r.evidence for r in results})


def _coverage(store: Store, kb: KnowledgeBase, release: Release, _embedder: Any) -> GateResult:
    found = coverage(store.database, release.release_id)
    return _as_result(decide_coverage(found.documents, found.without_chunks, found.failed, max_failed_share=kb.max_failed_share))


def _index_recall(store: Store, kb: KnowledgeBase, release: Release, _embedder: Any) -> GateResult:
    vectors = sample_vectors(store.database, release.release_id, SAMPLE)
    pairs = neighbour_distances(store.database, release.release_id, vectors, 10)
    return _as_result(decide_index_recall([distance_recall(near, exact, tolerance=1e-4) for near, exact in pairs], target=kb.index_recall))


def _embedding_health(store: Store, _kb: KnowledgeBase, release: Release, _embedder: Any) -> GateResult:
    vectors = sample_vectors(store.database, release.release_id, 1000)
    return _as_result(decide_embedding_health(vectors, 384))


def _as_result(verdict: IntegrityVerdict) -> GateResult:
    return GateResult(verdict.name, verdict.passed, verdict.verdict, verdict.metric, verdict.threshold, verdict.to_dict())


def _golden_retrieval(store: Store, kb: KnowledgeBase, release: Release, load_embedder: Callable[[], Embedder]) -> GateResult | None:
    goldens = load_golden_set(kb.folder / "golden")
    if goldens is None:
        return None
    now = score_goldens(store, kb, goldens, release.release_id, load_embedder())
    live_id = live_release(store.database)
    live = score_goldens(store, kb, goldens, live_id, load_embedder()) if live_id else None
    verdict = decide_gate(
        now.metrics.per_query, live.metrics.per_query if live else None, goldens, GateParameters(**kb.gate),
        stale=now.stale, live_stale=live.stale if live else (),
    )
    return GateResult("golden_retrieval", verdict.passed, verdict.verdict.value, verdict.metric, verdict.threshold, verdict.to_dict(),
                      goldens.content_hash)


def score_goldens(store: Store, kb: KnowledgeBase, goldens: GoldenSet, release_id: int, embedder: Embedder) -> GoldenScores:
    """Search a release with every golden's question, and score the hits by the passages that they hold."""
    texts = {DocumentKey(*key): text for key, text in document_texts(store.database, release_id).items()}
    resolved = resolve_goldens(goldens.goldens, texts)
    retriever = Retriever(store.database, embedder, FusionParameters.from_settings(kb.search), role="gate")

    def hits(golden: Golden) -> Any:
        return retriever.search(golden.question, release_id, k=10)

    rankings = {golden.id: hits(golden) for golden in goldens.goldens}
    return GoldenScores(evaluate_goldens(rankings, resolved), stale_goldens(resolved))


GATES: dict[str, Callable[..., GateResult | None]] = {
    "coverage": _coverage,
    "index_recall": _index_recall,
    "embedding_health": _embedding_health,
    "golden_retrieval": _golden_retrieval,
}
