"""The chunks step: parse, split and weigh what pending deliveries brought; one file a capture, written once.

A file that is there is whole and is not made again: chunking costs what was delivered since, not what the day holds. Where all
that was ever delivered is chunked anew (storage/switch.py), newer deliveries come first, and older ones leave out the documents
that those have settled: what is cut and embedded is one version a document, not its history.
"""

import datetime as dt
import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from kb_platform.index.chunk_files import SCHEMA, chunk_file
from kb_platform.index.chunk_workers import chunk_documents, worthwhile_processes
from kb_platform.index.pipeline import Pipeline, pipeline_of
from kb_platform.ingest.parse import LEFT_OUT, WARNINGS
from kb_platform.ingest.raw_files import read_capture
from kb_platform.knowledge.documents import DocumentFailure, RawDocument
from kb_platform.knowledge.knowledge_base import KnowledgeBase, Source
from kb_platform.knowledge.progress import Progress, silent
from kb_platform.storage.captures import pending_captures
from kb_platform.storage.objects import DamagedFile, ObjectStore
from kb_platform.storage.stores import Store
from kb_platform.storage.turns import taking_turns

COUNTED = ["doc_id", "source_object", "failure", "metadata", "chunks.list.element.ordinal"]  # what a report needs of a file that is there


@dataclass(frozen=True)
class ChunkReport:
    """What a step did; all zero when no delivery was pending."""

    rows: int
    documents: int
    captures: int
    failed: int
    failures: tuple[DocumentFailure, ...] = ()
    warnings: tuple[DocumentFailure, ...] = ()  # of documents that were read all the same
    left_out: tuple[DocumentFailure, ...] = ()  # how much of which documents was seen and not taken, by kind


@taking_turns
def chunk_deliveries(
    store: Store, kb: KnowledgeBase, source: str, days: Sequence[dt.date], progress: Progress = silent
) -> ChunkReport:
    """Chunk the pending captures of a source up to the newest of `days`. A document that cannot be read is a row with a reason."""
    pipeline = pipeline_of(kb, source)
    captures = pending_captures(store.database, source, pipeline.fingerprint, max(days))
    settled = set[str]()
    tally, expected = _Tally(), sum(capture.upserts + capture.deletes for capture in captures)

    def followed(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for row in rows:
            tally.count(row)
            progress("documents chunked", tally.documents, expected)
            if older_are_held and not row.get("failure"):
                settled.add(row["doc_id"])
            yield row

    for capture in reversed(captures):
        older_are_held = capture.held and capture is not captures[0]
        name = chunk_file(capture, pipeline.fingerprint)
        known = _known(store.objects, name)
        if known is not None:
            deque(followed(known), maxlen=0)
        else:
            delivered = _without(read_capture(store.objects, capture.file), settled)
            store.objects.write(name, SCHEMA, followed(_rows(delivered, kb.source(source), pipeline, capture.upserts)))
    return ChunkReport(rows=tally.chunks, documents=tally.documents, captures=len(captures), failed=len(tally.failures),
                       failures=tuple(tally.failures), warnings=tuple(tally.warnings), left_out=tuple(tally.left_out))


def _known(objects: ObjectStore, name: str) -> list[dict[str, Any]] | None:
    """Return what a report needs of a file that is there; None where there is none, or one that cannot be read and so is made again."""
    try:
        return list(objects.read(name, COUNTED)) if objects.exists(name) else None
    except DamagedFile:
        return None


@dataclass
class _Tally:
    """What the rows add up to."""

    documents: int = 0
    chunks: int = 0
    failures: list[DocumentFailure] = field(default_factory=list)
    warnings: list[DocumentFailure] = field(default_factory=list)
    left_out: list[DocumentFailure] = field(default_factory=list)

    def count(self, row: dict[str, Any]) -> None:
        self.documents, self.chunks = self.documents + 1, self.chunks + len(row.get("chunks") or ())
        if failure := row.get("failure"):
            self.failures.append(DocumentFailure(row["doc_id"], row["source_object"], failure))
            return
        for key, found in ((WARNINGS, self.warnings), (LEFT_OUT, self.left_out)):
            if f'"{key}"' in (row.get("metadata") or ""):
                said = "; ".join(json.loads(row["metadata"])[key])
                found.append(DocumentFailure(row["doc_id"], row["source_object"], said))


def _without(delivered: Iterator[RawDocument | str], settled: set[str]) -> Iterator[RawDocument | str]:
    return (item for item in delivered if (item if isinstance(item, str) else item.doc_id) not in settled)


def _rows(delivered: Iterable[RawDocument | str], source: Source, pipeline: Pipeline, size: int) -> Iterator[dict[str, Any]]:
    deleted: list[str] = []

    def documents() -> Iterator[RawDocument]:
        for item in delivered:
            if isinstance(item, str):
                deleted.append(item)
            else:
                yield item

    yield from chunk_documents(documents(), source, pipeline, processes=worthwhile_processes(size))
    for doc_id in deleted:
        yield {"doc_id": doc_id, "deleted": True, "title": "", "metadata": "{}", "media_type": "", "source_object": "",
               "version_hash": b""}
