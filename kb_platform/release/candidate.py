"""The candidate: pending deliveries go in, then it is sealed for its gates.

A refresh continues in the candidate that is open; one that failed its gates is opened again (its verdict is void, for verdicts
are about a digest). Where nothing is pending nothing is opened, and a refresh of an unchanged source writes no row. After a change
of the embedding settings a candidate in the new space is filled from all that was ever delivered (storage/switch.py).
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kb_platform.index.chunk_files import SCHEMA, chunk_file
from kb_platform.index.pipeline import Pipeline, pipelines_of, whole_fingerprint
from kb_platform.knowledge.documents import DocumentFailure
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.progress import Progress, counted, silent
from kb_platform.release.gates import GOLDEN_GATE, required_gates
from kb_platform.storage.apply import Applied, apply_capture, lock
from kb_platform.storage.captures import Capture, count_unreadable, failures_of, pending_captures
from kb_platform.storage.derived_files import read_derived
from kb_platform.storage.dropped_documents import leave_out_dropped
from kb_platform.storage.releases import candidate, count_rows, get_release, live_release, open_candidate, seal
from kb_platform.storage.stores import Store
from kb_platform.storage.switch import begin_switch, check_complete, discard_outdated, is_current, leave_out_removed
from kb_platform.storage.turns import taking_turns
from kb_platform.storage.vectors import capture_is_embedded


@dataclass(frozen=True)
class ApplyReport:
    """What the pending deliveries of one source changed in the candidate. `waiting` captures lack vectors still.

    `documents_unreadable` are all that cannot be used as they were last delivered, however long ago that was.
    """

    documents_new: int
    documents_changed: int
    documents_unchanged: int
    documents_deleted: int
    documents_failed: int
    documents_unreadable: int
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
    base_release: int | None = None
    note: str | None = None


@taking_turns
def apply_deliveries(
    store: Store, kb: KnowledgeBase, source: str, days: Sequence[dt.date], run_id: str, progress: Progress = silent
) -> ApplyReport:
    """Bring a source's pending deliveries into the candidate, oldest first, each in a transaction of its own."""
    pipelines = pipelines_of(kb)
    pipeline = pipelines[source]
    _discard_outdated(store, pipelines)
    pending = pending_captures(store.database, source, pipeline.fingerprint, max(days))
    ready = [c for c in pending if _is_ready(store, c, pipeline)]
    total, release = Applied(), None
    for capture in ready:
        applied, release = _apply_one(store, capture, pipelines, run_id, progress)
        total += applied
    dropped, changed = _leave_out_dropped(store, source, pipelines, run_id)
    total, release = total + dropped, changed or release
    before = count_rows(store.database, source)
    failures = tuple(DocumentFailure(*row) for row in failures_of(store.database, [c.capture_id for c in ready]))
    untouched = before - total.new - total.changed if ready else before
    return ApplyReport(
        documents_new=total.new, documents_changed=total.changed, documents_unchanged=max(untouched, 0),
        documents_deleted=total.deleted, documents_failed=total.failed,
        documents_unreadable=count_unreadable(store.database, source), rows_inserted=total.rows_inserted, rows_closed=total.rows_closed,
        captures=len(ready), waiting=len(pending) - len(ready), failures=failures, release=release,
    )


def _discard_outdated(store: Store, pipelines: dict[str, Pipeline]) -> None:
    space = next(iter(pipelines.values())).space
    discard_outdated(store.database, space.space_id, {source: p.fingerprint for source, p in pipelines.items()})


def _is_ready(store: Store, capture: Capture, pipeline: Pipeline) -> bool:
    file = chunk_file(capture, pipeline.fingerprint)
    return store.objects.exists(file) and capture_is_embedded(store, file, pipeline.space.space_id)


def _apply_one(
    store: Store, capture: Capture, pipelines: dict[str, Pipeline], run_id: str, progress: Progress
) -> tuple[Applied, int | None]:
    pipeline = pipelines[capture.source]
    read = read_derived(store.objects, chunk_file(capture, pipeline.fingerprint), having=SCHEMA.names)
    rows = counted(read, progress, "documents written", capture.upserts + capture.deletes)
    with store.database.transaction("writer") as connection:
        lock(connection, store.database)
        if is_current(connection, capture, pipeline.fingerprint):  # applied by a run of the same day that was quicker
            return Applied(), None
        release = open_candidate(connection, pipeline.space.space_id, whole_fingerprint(pipelines), run_id)
        switched = Applied(rows_closed=begin_switch(connection, capture.source, pipeline.fingerprint, release))
        applied = apply_capture(connection, capture, release, pipeline.space.space_id, pipeline.fingerprint, rows)
        return switched + applied, release


def _leave_out_dropped(store: Store, source: str, pipelines: dict[str, Pipeline], run_id: str) -> tuple[Applied, int | None]:
    with store.database.transaction("writer") as connection:
        lock(connection, store.database)
        return leave_out_dropped(connection, source, pipelines[source].space.space_id, whole_fingerprint(pipelines), run_id)


@taking_turns
def seal_candidate(store: Store, kb: KnowledgeBase, progress: Progress = silent) -> SealReport:
    """Seal the open candidate; say so when there is none.

    Raises:
        StateError: the candidate is on its way into another embedding space, and not all deliveries are in it.
    """
    progress("sealing the candidate", 0, None)
    pipelines = pipelines_of(kb)
    _discard_outdated(store, pipelines)
    open_release = candidate(store.database)
    if open_release is None:
        return SealReport(release=live_release(store.database), sealed=False, rows=0, documents=0, note="nothing changed; no candidate was opened")
    number, space = open_release.release_id, open_release.space_id
    check_complete(store.database, number, space, {s: p.fingerprint for s, p in pipelines.items()})
    leave_out_removed(store.database, number, space, list(pipelines))
    live = live_release(store.database)
    gates = required_gates(kb, get_release(store.database, live).required_gates if live else ())
    digest = seal(store.database, number, gates)
    sealed = candidate(store.database) or replace(open_release, chunk_count=0, document_count=0)
    note = None if GOLDEN_GATE in gates else "no golden queries yet: promotion rests on the integrity gates alone"
    return SealReport(release=sealed.release_id, sealed=True, rows=sealed.chunk_count or 0, documents=sealed.document_count or 0,
                      digest=digest, required_gates=gates, base_release=open_release.base_release, note=note)
