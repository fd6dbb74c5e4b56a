"""What the sources have delivered: the log of captures, and the last known state of each document."""

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kb_platform.storage.database import Database


@dataclass(frozen=True)
class Capture:
    """One delivery of one source: its documents lie in `file`."""

    capture_id: int
    source: str
    day: dt.date
    seq: int
    file: str
    digest: bytes
    upserts: int
    deletes: int


@dataclass(frozen=True)
class KnownDocument:
    """The last state of a document that its source has told us of."""

    doc_id: str
    raw_digest: bytes
    stamp: str


COLUMNS = "capture_id, source, day, seq, file, digest, upserts, deletes"


def known_documents(database: Database, source: str) -> dict[str, KnownDocument]:
    """Return the documents that the source had when it was last captured."""
    with database.transaction("writer") as c:
        rows = c.execute("select doc_id, raw_digest, stamp from known_document where source = %s and not deleted", (source,))
        return {row[0]: KnownDocument(*row) for row in rows}


def last_captured_day(database: Database, source: str) -> dt.date | None:
    """Return the newest day of which anything was captured."""
    with database.transaction("writer") as c:
        row = c.execute("select max(day) from capture where source = %s", (source,)).fetchone()
    return row[0] if row else None


def captures_of(database: Database, source: str, days: Sequence[dt.date]) -> list[Capture]:
    """Return the captures of some days, in the order in which they were made."""
    with database.transaction("writer") as c:
        rows = c.execute(f"select {COLUMNS} from capture where source = %s and day = any(%s) order by day, seq", (source, list(days)))
        return [Capture(*row) for row in rows]


def unapplied_captures(database: Database, pipeline: str, sources: Sequence[str], until: dt.date) -> list[Capture]:
    """Return the captures up to a day that the current content does not hold yet under this pipeline."""
    with database.transaction("writer") as c:
        rows = c.execute(
            f"""select {COLUMNS} from capture k where source = any(%s) and day <= %s and not exists (
                  select 1 from applied_capture a where a.capture_id = k.capture_id and a.pipeline = %s)
                order by day, seq, source""", (list(sources), until, pipeline))
        return [Capture(*row) for row in rows]


def record_capture(
    database: Database, *, source: str, day: dt.date, file: str, digest: bytes, upserted: Iterable[KnownDocument],
    deleted: Iterable[str], restamped: Iterable[KnownDocument], run_id: str,
) -> Capture | None:
    """Enter a capture and the documents' new state in one transaction; None when it delivered nothing.

    Two captures of the same source at once: the second finds that the first entered the same digest, and adds nothing.
    """
    upserted, deleted = list(upserted), list(deleted)
    with database.transaction("writer") as c:
        c.execute("select pg_advisory_xact_lock(hashtextextended(%s, 1))", (f"{database.schema}/{source}",))
        _restamp(c, source, restamped)
        last = c.execute(f"select {COLUMNS} from capture where source = %s order by capture_id desc limit 1", (source,)).fetchone()
        if not upserted and not deleted:
            return None
        if last and bytes(last[5]) == digest and last[2] == day:
            return Capture(*last)
        row = c.execute(
            f"""insert into capture (source, day, seq, file, digest, upserts, deletes, run_id)
                select %s, %s, coalesce(max(seq), 0) + 1, %s, %s, %s, %s, %s from capture where source = %s and day = %s
                returning {COLUMNS}""",
            (source, day, file, digest, len(upserted), len(deleted), run_id, source, day)).fetchone()
        assert row is not None
        _remember(c, source, row[0], upserted, deleted)
        return Capture(*row)


def _restamp(c, source: str, documents: Iterable[KnownDocument]) -> None:
    rows = json.dumps([[d.doc_id, d.stamp] for d in documents])
    c.execute("""update known_document k set stamp = n.value->>1 from jsonb_array_elements(%s::jsonb) n
                 where k.source = %s and k.doc_id = n.value->>0 and k.stamp <> n.value->>1""", (rows, source))


def _remember(c, source: str, capture_id: int, upserted: list[KnownDocument], deleted: list[str]) -> None:
    c.execute("create temp table seen (doc_id text, raw_digest bytea, stamp text) on commit drop")
    with c.cursor().copy("copy seen from stdin") as copy:
        for document in upserted:
            copy.write_row((document.doc_id, document.raw_digest, document.stamp))
    c.execute("""insert into known_document (source, doc_id, raw_digest, stamp, deleted, capture_id)
                 select %s, doc_id, raw_digest, stamp, false, %s from seen
                 on conflict (source, doc_id) do update set raw_digest = excluded.raw_digest, stamp = excluded.stamp,
                   deleted = false, capture_id = excluded.capture_id""", (source, capture_id))
    c.execute("update known_document set deleted = true, capture_id = %s where source = %s and doc_id = any(%s)",
              (capture_id, source, deleted))


def failures_of(database: Database, capture_ids: Sequence[int]) -> list[tuple[str, str, str]]:
    """Return (doc_id, source_object, reason) of the documents of these captures that could not be used."""
    with database.transaction("writer") as c:
        rows = c.execute("select doc_id, source_object, reason from capture_failure where capture_id = any(%s) order by 1, 2",
                         (list(capture_ids),))
        return [(row[0], row[1], row[2]) for row in rows]
