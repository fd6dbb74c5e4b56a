"""What applications read of one release beside searches, and the feedback that they give: all as the reader's role."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kb_platform.storage.database import Database
from kb_platform.storage.search import kept


@dataclass(frozen=True)
class Origin:
    """What is known of a document beside its text."""

    source: str
    doc_id: str
    title: str
    metadata: Mapping[str, Any]
    media_type: str
    source_object: str
    day: dt.date


@dataclass(frozen=True)
class ChunkText:
    """A chunk, and where it stands in its document."""

    chunk_id: int
    start: int
    end: int
    content: str


@dataclass(frozen=True)
class ReadableRelease:
    """A release that was promoted once. It can be read while its rows are there."""

    release_id: int
    live: bool
    readable: bool
    status: str
    verdict: str | None
    documents: int | None
    chunks: int | None
    digest: str | None
    model: str
    sealed_at: dt.datetime | None
    promoted_at: dt.datetime


_RELEASES = """select r.release_id, r.release_id = (select a.release_id from active a), r.status <> 'discarded' and r.release_id >= h.release_id, r.status,
    r.verdict, r.document_count, r.chunk_count, encode(r.content_digest, 'hex'), s.spec ->> 'model', r.sealed_at, r.promoted_at
  from release r join embedding_space s using (space_id), gc_horizon h order by r.release_id desc"""


def promoted_releases(database: Database) -> list[ReadableRelease]:
    """Return the releases that were promoted once, the newest first."""
    with database.transaction("reader") as c:
        return [ReadableRelease(*row) for row in c.execute(_RELEASES)]


def release_at(database: Database, moment: dt.datetime) -> int:
    """Return the release that was live at a time.

    Raises:
        StateError: none was, or its rows were collected.
    """
    with kept(database), database.transaction("reader") as c:
        row = c.execute("select release_at(%s)", (moment,)).fetchone()
    return int(row[0]) if row else 0


def read_document(database: Database, release: int, source: str, doc_id: str) -> tuple[Origin, list[ChunkText]] | None:
    """Return a document of a release and its chunks in their order; None where the release has no such document."""
    with kept(database), database.transaction("reader") as c:
        row = c.execute("select * from read_document(%s, %s, %s)", (release, source, doc_id)).fetchone()
        chunks = [ChunkText(*found) for found in c.execute("select * from read_document_chunks(%s, %s, %s)", (release, source, doc_id))] if row else []
    return (Origin(source, doc_id, *row), chunks) if row else None


def read_chunk(database: Database, release: int, chunk_id: int) -> tuple[Origin, ChunkText] | None:
    """Return a chunk of a release and its document; None where the release has no such chunk."""
    with kept(database), database.transaction("reader") as c:
        row = c.execute("select * from read_chunk(%s, %s)", (release, chunk_id)).fetchone()
    if row is None:
        return None
    source, doc_id, title, start, end, content, *rest = row
    return Origin(source, doc_id, title, *rest), ChunkText(chunk_id, start, end, content)


def give_feedback(
    database: Database, release: int, *, question: str, helpful: bool | None, chunks: Sequence[int], comment: str, by_key: str
) -> int:
    """Keep what somebody says of what a release found; return its number."""
    with kept(database), database.transaction("reader") as c:
        row = c.execute("select give_feedback(%s, %s, %s, %s, %s, %s)", (release, question, helpful, list(chunks), comment, by_key)).fetchone()
    assert row is not None
    return row[0]


@dataclass(frozen=True)
class Feedback:
    """What somebody said."""

    feedback_id: int
    at: dt.datetime
    release: int
    question: str
    helpful: bool | None
    chunks: Sequence[int]
    comment: str
    key: str


def list_feedback(database: Database, limit: int) -> list[Feedback]:
    """Return the newest feedback, the newest first, as the gate's role."""
    with database.transaction("gate") as c:
        rows = c.execute("""select feedback_id, at, release_id, question, helpful, chunks, comment, by_key from feedback
                            order by feedback_id desc limit %s""", (limit,)).fetchall()
    return [Feedback(*row) for row in rows]
