"""The raw_documents step: ask a source what is new, and keep it.

A day is open until a later day has been captured: each capture adds to it. A closed day is read, not captured again, for the
source can only be asked for what it has now. The file is written first, then one transaction enters it; a killed capture leaves
a file that nothing names.
"""

import datetime as dt
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from kb_platform.ingest.raw_files import SCHEMA, deletion_row, raw_file, to_row
from kb_platform.ingest.sources import Failed, Mark, Skipped, Unchanged, Upsert, find_deleted, open_source
from kb_platform.knowledge.documents import DocumentFailure
from kb_platform.knowledge.knowledge_base import Source
from kb_platform.knowledge.progress import Progress, silent
from kb_platform.storage.captures import KnownDocument, known_documents, last_captured_day, record_capture
from kb_platform.storage.stores import Store


@dataclass(frozen=True)
class CaptureReport:
    """What the source delivered. `closed` says that the day was over and the source was not asked."""

    rows: int
    upserts: int
    deletes: int
    unchanged: int
    failed: int
    closed: bool = False
    failures: tuple[DocumentFailure, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    file: str | None = None


@dataclass
class _Scan:
    """What a scan has seen so far; filled while the rows are being written."""

    upserted: list[KnownDocument] = field(default_factory=list)
    restamped: list[KnownDocument] = field(default_factory=list)
    failures: list[DocumentFailure] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    deleted: list[str] = field(default_factory=list)
    digest: Any = field(default_factory=hashlib.sha256)


def capture_source(
    store: Store, source: Source, days: Sequence[dt.date], run_id: str, progress: Progress = silent
) -> CaptureReport:
    """Capture what changed at the source since it was last asked, as part of the newest of `days`.

    Raises:
        SourceError: the source as a whole cannot be read; nothing is recorded, and nothing counts as deleted.
    """
    day, last = max(days), last_captured_day(store.database, source.name)
    if last is not None and day < last:
        return CaptureReport(rows=0, upserts=0, deletes=0, unchanged=0, failed=0, closed=True)
    known = known_documents(store.database, source.name)
    scan, file = _Scan(), raw_file(source.name, day, run_id)
    rows = store.objects.write(file, SCHEMA, _delivered(source, known, scan, progress))
    if not rows:
        store.objects.remove(file)
    capture = record_capture(
        store.database, source=source.name, day=day, file=file, digest=scan.digest.digest(), upserted=scan.upserted,
        deleted=scan.deleted, restamped=scan.restamped, run_id=run_id,
    )
    return CaptureReport(
        rows=rows, upserts=len(scan.upserted), deletes=len(scan.deleted), unchanged=len(known) - len(scan.deleted)
        - sum(d.doc_id in known for d in scan.upserted), failed=len(scan.failures), failures=tuple(scan.failures),
        skipped=tuple(scan.skipped), file=store.objects.url(capture.file) if capture else None,
    )


def _delivered(
    source: Source, known: dict[str, KnownDocument], scan: _Scan, progress: Progress
) -> Iterator[dict[str, Any]]:
    marks = {doc_id: Mark(k.raw_digest, k.stamp) for doc_id, k in known.items()}
    opened = open_source(source.kind, source.options)
    for number, item in enumerate(opened.scan(marks), 1):
        progress("documents read", number, None)
        match item:
            case Upsert(document, stamp):
                yield from _upserted(document, stamp, known, scan)
            case Unchanged(doc_id, stamp):
                scan.seen.add(doc_id)
                if known[doc_id].stamp != stamp:
                    scan.restamped.append(KnownDocument(doc_id, known[doc_id].raw_digest, stamp))
            case Failed(failure):
                scan.seen.add(failure.doc_id)
                scan.failures.append(failure)
            case Skipped():
                scan.skipped.append(item)
    scan.deleted = sorted(find_deleted(marks, scan.seen))
    for doc_id in scan.deleted:
        scan.digest.update(b"-" + doc_id.encode(errors="surrogateescape") + b"\0")
        yield deletion_row(doc_id)


def _upserted(document: Any, stamp: str, known: dict[str, KnownDocument], scan: _Scan) -> Iterator[dict[str, Any]]:
    scan.seen.add(document.doc_id)
    scan.upserted.append(KnownDocument(document.doc_id, document.digest, stamp))
    scan.digest.update(b"+" + document.doc_id.encode() + b"\0" + document.digest)
    yield to_row(document)
