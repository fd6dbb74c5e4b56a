"""The candidate: pending deliveries go in, then it is sealed for its gates.

A refresh continues in the candidate that is open; one that failed its gates is opened again (its verdict is void, for verdicts
are about a digest). Where nothing is pending nothing is opened, and a refresh of an unchanged source writes no row.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kb_platform.index.chunk_files import chunk_file
from kb_platform.index.pipeline import Pipeline, pipeline_of
from kb_platform.knowledge.documents import DocumentFailure
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.quality.golden import load_golden_set
from kb_platform.storage.apply import Applied, apply_capture, lock
from kb_platform.storage.captures import Capture, failures_of, unapplied_captures
from kb_platform.storage.releases import candidate, count_rows, live_release, open_candidate, seal
from kb_platform.storage.stores import Store
from kb_platform.storage.vectors import capture_is_embedded

INTEGRITY_GATES = ("coverage", "index_recall", "embedding_health")
GOLDEN_GATE = "golden_retrieval"


@dataclass(frozen=True)
class ApplyReport:
    """What the pending deliveries of one source changed in the candidate. `waiting` captures lack vectors still."""

    documents_new: int
    documents_changed: int
    documents_unchanged: int
    documents_deleted: int
    documents_failed: int
    rows_inserted: int
    rows_closed: int
    captures: int
    waiting: int
    failures: tuple[DocumentFailure, ...] = ()
    release: int | None = None


@dataclass(frozen=True)
class SealReport:
    """The sealed candidate; without one, the live release and `sealed` false."""

    release: int | None
    sealed: bool
    rows: int
    documents: int
    digest: bytes | None = None
    required_gates: tuple[str, ...] = ()
    note: str | None = None


def apply_deliveries(store: Store, kb: KnowledgeBase, source: str, days: Sequence[dt.date], run_id: str) -> ApplyReport:
    """Bring a source's pending deliveries into the candidate, oldest first, each in a transaction of its own."""
    pipeline = pipeline_of(kb)
    pending = unapplied_captures(store.database, pipeline.fingerprint, [source], max(days))
    ready = [c for c in pending if _is_ready(store, c, pipeline)]
    total, release = Applied(), None
    for capture in ready:
        applied, release = _apply_one(store, capture, pipeline, run_id)
        total += applied
    before = count_rows(store.database, source)
    failures = tuple(DocumentFailure(*row) for row in failures_of(store.database, [c.capture_id for c in ready]))
    untouched = before - total.new - total.changed if ready else before
    return ApplyReport(
        documents_new=total.new, documents_changed=total.changed, documents_unchanged=max(untouched, 0),
        documents_deleted=total.deleted, documents_failed=total.failed, rows_inserted=total.rows_inserted,
        rows_closed=total.rows_closed, captures=len(ready), waiting=len(pending) - len(ready), failures=failures, release=release,
    )


def _is_ready(store: Store, capture: Capture, pipeline: Pipeline) -> bool:
    file = chunk_file(capture, pipeline.fingerprint)
    return store.objects.exists(file) and capture_is_embedded(store, file, pipeline.space.space_id)


def _apply_one(store: Store, capture: Capture, pipeline: Pipeline, run_id: str) -> tuple[Applied, int | None]:
    rows = store.objects.read(chunk_file(capture, pipeline.fingerprint))
    with store.database.transaction("writer") as connection:
        lock(connection, store.database)
        done = connection.execute("select 1 from applied_capture where capture_id = %s and pipeline = %s",
                                  (capture.capture_id, pipeline.fingerprint)).fetchone()
        if done:  # by a run of the same day that was quicker
            return Applied(), None
        release = open_candidate(connection, pipeline.space.space_id, pipeline.fingerprint, run_id)
        return apply_capture(connection, capture, release, pipeline.space.space_id, pipeline.fingerprint, rows), release


def required_gates(kb: KnowledgeBase) -> tuple[str, ...]:
    """Return the gates that a release of this knowledge base must pass: the golden one as soon as there are goldens."""
    goldens = load_golden_set(kb.folder / "golden")
    return (*INTEGRITY_GATES, GOLDEN_GATE) if goldens is not None else INTEGRITY_GATES


def seal_candidate(store: Store, kb: KnowledgeBase) -> SealReport:
    """Seal the open candidate; say so when there is none."""
    open_release = candidate(store.database)
    if open_release is None:
        live = live_release(store.database)
        return SealReport(release=live, sealed=False, rows=0, documents=0, note="nothing changed; no candidate was opened")
    gates = required_gates(kb)
    digest = seal(store.database, open_release.release_id, gates)
    sealed = candidate(store.database) or replace(open_release, chunk_count=0, document_count=0)
    note = None if GOLDEN_GATE in gates else "no golden queries yet: promotion rests on the integrity gates alone"
    return SealReport(release=sealed.release_id, sealed=True, rows=sealed.chunk_count or 0, documents=sealed.document_count or 0,
                      digest=digest, required_gates=gates, note=note)
