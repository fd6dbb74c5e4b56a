"""Raw files that were lost, cut off or replaced: fetched from the source again as far as it still has what was in them, the rest named.

A file is written anew whole, under its old name: of what cannot be had again it has the ids, and later steps go on without it. Of a document
that has changed since, the next refresh captures what the source has now; of one that is gone there, it captures the deletion. What was
delivered again later lies in later files, and of it only the history is lost, unless a kept release shows what this file alone held: later
deliveries may have come to a discarded candidate only. Of such a document no digest is kept; whether another one is as it was, the version
tells that a release would show of it.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kb_platform.ingest.raw_files import SCHEMA, deletion_row, lost_documents, lost_row, read_capture, to_row
from kb_platform.ingest.sources import Mark, Upsert, open_source
from kb_platform.knowledge.documents import RawDocument
from kb_platform.knowledge.knowledge_base import Source
from kb_platform.knowledge.progress import Progress, silent
from kb_platform.storage.captured_files import CapturedFile, captured_files, overtaken_and_shown
from kb_platform.storage.captures import known_documents
from kb_platform.storage.objects import DamagedFile, ObjectStore
from kb_platform.storage.stores import Store
from kb_platform.storage.turns import taking_turns

Versions = Callable[[Iterable[RawDocument], int], Iterator[bytes | None]]
"""Return of each document, in their order, the hash of the version that a release would show; None of one that cannot be read. There are about so many."""


@dataclass(frozen=True)
class RepairedFile:
    """A file that was written anew. `lost` cannot be had again as they were; `superseded` is how many later files hold, or no release shows."""

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
def repair_source(store: Store, source: Source, versions: Versions, progress: Progress = silent) -> RepairReport:
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
    repaired = [_written_anew(store, source, versions, captures, capture, trouble) for capture, trouble in damaged]
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


def _written_anew(
    store: Store, source: Source, versions: Versions, captures: list[CapturedFile], capture: CapturedFile, trouble: str
) -> RepairedFile:
    shown = overtaken_and_shown(store.database, source.name, capture.capture_id)
    fetched: set[str] = set()
    lost: list[str] = []

    def rows() -> Iterator[dict[str, Any]]:
        for document in _fetched(store, source, versions, capture, shown):
            fetched.add(document.doc_id)
            yield to_row(document)
        for doc_id in capture.deleted:
            yield deletion_row(doc_id)
        missing = {doc_id: hashes for doc_id, hashes in shown.items() if doc_id not in fetched}
        later = _held_later(store.objects, versions, [c.file for c in captures if c.capture_id > capture.capture_id], missing)
        lost.extend(sorted((set(capture.last) - fetched) | (set(missing) - later)))
        yield from map(lost_row, lost)

    store.objects.write(capture.file, SCHEMA, rows())
    superseded = capture.documents - len(fetched) - len(lost) - len(capture.deleted)
    return RepairedFile(store.objects.url(capture.file), trouble, len(fetched), tuple(lost), max(superseded, 0))


def _fetched(
    store: Store, source: Source, versions: Versions, capture: CapturedFile, shown: Mapping[str, set[bytes]]
) -> Iterator[RawDocument]:
    """Yield the capture's documents that the source still has as they were."""
    for document in _asked_for(store, source, set(capture.last)):
        if document.digest == capture.last[document.doc_id]:
            yield document
    if shown:
        yield from _as_shown(_asked_for(store, source, set(shown)), versions, shown)


def _asked_for(store: Store, source: Source, wanted: set[str]) -> Iterator[RawDocument]:
    """Yield what the source has of some documents; for it, all others are known and unchanged."""
    known = known_documents(store.database, source.name)
    marks = {doc_id: Mark(k.raw_digest, k.stamp) for doc_id, k in known.items() if doc_id not in wanted}
    for item in open_source(source.kind, source.options).scan(marks):
        if isinstance(item, Upsert) and item.document.doc_id in wanted:
            yield item.document


def _as_shown(documents: Iterable[RawDocument], versions: Versions, shown: Mapping[str, set[bytes]]) -> Iterator[RawDocument]:
    """Yield the documents of which a release would show what one shows."""
    handed = deque[RawDocument]()

    def handing_over() -> Iterator[RawDocument]:
        for document in documents:
            handed.append(document)
            yield document

    for version in versions(handing_over(), len(shown)):
        document = handed.popleft()
        if version in shown[document.doc_id]:
            yield document


def _held_later(objects: ObjectStore, versions: Versions, files: Iterable[str], missing: Mapping[str, set[bytes]]) -> set[str]:
    """Return which of the missing documents later files hold as they are shown. A file that cannot be read holds none."""
    held: set[str] = set()
    for file in files:
        left = {doc_id: hashes for doc_id, hashes in missing.items() if doc_id not in held}
        if not left:
            break
        with suppress(DamagedFile):
            documents = (item for item in read_capture(objects, file) if isinstance(item, RawDocument) and item.doc_id in left)
            for document in _as_shown(documents, versions, left):
                held.add(document.doc_id)
    return held
