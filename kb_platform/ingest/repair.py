"""Raw files that were lost, cut off or replaced: fetched from the source again as far as it still has what was in them, the rest named.

A file is written anew whole, under its old name: of what cannot be had again it has the ids, and later steps go on without it. Of a document
that has changed since, the next refresh captures what the source has now; of one that is gone there, it captures the deletion. What was
delivered again later lies in later files: of it only the history is lost.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kb_platform.ingest.raw_files import SCHEMA, deletion_row, lost_documents, lost_row, read_capture, to_row
from kb_platform.ingest.sources import Mark, Upsert, open_source
from kb_platform.knowledge.knowledge_base import Source
from kb_platform.knowledge.progress import Progress, silent
from kb_platform.storage.captured_files import CapturedFile, captured_files
from kb_platform.storage.captures import known_documents
from kb_platform.storage.objects import DamagedFile, ObjectStore
from kb_platform.storage.stores import Store
from kb_platform.storage.turns import taking_turns


@dataclass(frozen=True)
class RepairedFile:
    """A file that was written anew. `lost` cannot be had again as they were; `superseded` is how many were delivered again later."""

    file: str
    found: str
    fetched: int
    lost: tuple[str, ...]
    superseded: int


@dataclass(frozen=True)
class RepairReport:
    """How many files of a source were read, and which of them are new."""

    files: int
    repaired: tuple[RepairedFile, ...]


@taking_turns
def repair_source(store: Store, source: Source, progress: Progress = silent) -> RepairReport:
    """Read every raw file of a source, and write anew what cannot be read.

    Raises:
        SourceError: the source cannot be read; nothing is changed.
        TransientError: the object store or the database does not answer.
    """
    captures = captured_files(store.database, source.name)
    damaged: list[tuple[CapturedFile, str]] = []
    for number, capture in enumerate(captures, 1):
        if trouble := damage(store.objects, capture):
            damaged.append((capture, trouble))
        progress("raw files read", number, len(captures))
    repaired = [_written_anew(store, source, capture, trouble) for capture, trouble in damaged]
    return RepairReport(len(captures), tuple(repaired))


def damage(objects: ObjectStore, capture: CapturedFile) -> str:
    """Return what is wrong with a capture's file, read to its end; "" if nothing is."""
    wanted: dict[str, bytes | None] = {**capture.last, **dict.fromkeys(capture.deleted)}
    try:
        for item in read_capture(objects, capture.file):
            doc_id, digest = (item, None) if isinstance(item, str) else (item.doc_id, item.digest)
            if wanted.pop(doc_id, digest) != digest:
                return f"the file is another one: {doc_id!r} is not what was captured"
        lacking = wanted.keys() - lost_documents(objects, capture.file) if wanted else set()
    except DamagedFile as error:
        return error.found
    return f"the file is another one: {min(lacking)!r} is not in it" if lacking else ""


def _written_anew(store: Store, source: Source, capture: CapturedFile, trouble: str) -> RepairedFile:
    fetched: set[str] = set()
    lost: list[str] = []

    def rows() -> Iterator[dict[str, Any]]:
        for item in _asked_for(store, source, capture):
            fetched.add(item.document.doc_id)
            yield to_row(item.document)
        for doc_id in capture.deleted:
            yield deletion_row(doc_id)
        lost.extend(sorted(set(capture.last) - fetched))
        yield from map(lost_row, lost)

    store.objects.write(capture.file, SCHEMA, rows())
    superseded = capture.documents - len(capture.last) - len(capture.deleted)
    return RepairedFile(store.objects.url(capture.file), trouble, len(fetched), tuple(lost), max(superseded, 0))


def _asked_for(store: Store, source: Source, capture: CapturedFile) -> Iterator[Upsert]:
    """Yield the capture's documents that the source still has as they were; for it, all others are known and unchanged."""
    known = known_documents(store.database, source.name)
    marks = {doc_id: Mark(k.raw_digest, k.stamp) for doc_id, k in known.items() if doc_id not in capture.last}
    for item in open_source(source.kind, source.options).scan(marks):
        if isinstance(item, Upsert) and capture.last.get(item.document.doc_id) == item.document.digest:
            yield item
