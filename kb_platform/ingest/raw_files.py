"""The immutable log of what a source delivered: one Parquet file a capture, bytes included."""

import datetime as dt
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pyarrow as pa

from kb_platform.knowledge.documents import Change, RawDocument
from kb_platform.storage.objects import ObjectStore

SCHEMA = pa.schema([
    ("doc_id", pa.string()), ("change", pa.string()), ("content", pa.large_binary()), ("media_type", pa.string()),
    ("title", pa.string()), ("metadata", pa.string()), ("source_object", pa.string()), ("digest", pa.binary()),
])
LOST = "lost"  # in place of a change: see lost_row


def raw_file(source: str, day: dt.date, run_id: str) -> str:
    """Return the name of a capture's file; one run captures a source once."""
    return f"raw_documents/{source}/{day}/{run_id}.parquet"


def to_row(document: RawDocument) -> dict[str, Any]:
    """Return a delivered document as a row."""
    return {
        "doc_id": document.doc_id, "change": Change.UPSERT.value, "content": document.content, "media_type": document.media_type,
        "title": document.title, "metadata": json.dumps(dict(document.metadata), ensure_ascii=False, sort_keys=True),
        "source_object": document.source_object, "digest": document.digest,
    }


def deletion_row(doc_id: str) -> dict[str, Any]:
    """Return a deletion as a row."""
    return {"doc_id": doc_id, "change": Change.DELETE.value}


def lost_row(doc_id: str) -> dict[str, Any]:
    """Return a row in place of a document that a repair could not have again."""
    return {"doc_id": doc_id, "change": LOST}


def read_capture(objects: ObjectStore, file: str) -> Iterator[RawDocument | str]:
    """Yield documents, and the ids of deleted ones as plain strings.

    Raises:
        DamagedFile: the file cannot be read, or a document in it is not what was captured.
    """
    for row in objects.read(file, having=SCHEMA.names):
        if row["change"] == Change.DELETE:
            yield row["doc_id"]
        elif row["change"] != LOST:
            yield _document(objects, file, row)


def lost_documents(objects: ObjectStore, file: str) -> set[str]:
    """Return the ids of the documents that a repair could not have again."""
    return {row["doc_id"] for row in objects.read(file, ["doc_id", "change"]) if row["change"] == LOST}


def _document(objects: ObjectStore, file: str, row: dict[str, Any]) -> RawDocument:
    with suppress(TypeError, ValueError):
        document = RawDocument(row["doc_id"], row["content"], row["media_type"], row["source_object"], row["title"], json.loads(row["metadata"]))
        if document.digest == row["digest"] or not document.content:  # emptied to be erased (docs/operate.md), once a later delivery had deleted it
            return document
    raise objects.damaged(file, f"the file is another one: {row['doc_id']!r} is not what was captured")
