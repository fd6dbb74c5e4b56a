"""What the sources have delivered: the log of captures, and the last known state of each document."""

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import LiteralString

from kb_platform.storage.database import Database
from kb_platform.storage.locks import patience


@dataclass(frozen=True)
class Capture:
    """One delivery of one source: its documents lie in `file`.

    `held` says that a release which was promoted holds it; `newer` stands for the held captures after it that are applied again
    together with it (empty: none), whose documents need not be taken from this one.
    """

    capture_id: int
    source: str
    day: dt.date
    seq: int
    file: str
    digest: bytes
    upserts: int
    deletes: int
    held: bool = False
    newer: str = ""


@dataclass(frozen=True)
class KnownDocument:
    """The last state of a document that its source has told us of."""

    doc_id: str
    raw_digest: bytes
    stamp: str


UNREADABLE: LiteralString = "known_document n join capture_failure f using (capture_id, doc_id) where not n.deleted"
COLUMNS = "capture_id, source, day, seq, file, digest, upserts, deletes"
# A source's applied captures; `switched` is the last promoted release that holds them under another pipeline. What the open
# candidate holds under another one does not count: it will be discarded.
HELD = """
with held as (
  select a.capture_id, a.pipeline, a.release_id, r.status in ('promoted', 'retired') as promoted
  from applied_capture a join capture using (capture_id) join release r using (release_id) where source = %(source)s
), switched as (
  select coalesce(max(release_id), 0) as release_id from held where promoted and pipeline <> %(pipeline)s
), current as (
  select capture_id from held where pipeline = %(pipeline)s and release_id > (select release_id from switched)
)"""

# The pipeline that each source's content is in, as of a release; empty for a source that was left out of it (storage/switch.py).
SOURCE_PIPELINE = """(select a.pipeline from applied_capture a join capture c using (capture_id)
  where c.source = {source} and a.release_id <= {release} order by a.release_id desc limit 1)"""


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


def pending_captures(database: Database, source: str, pipeline: str, until: dt.date) -> list[Capture]:
    """Return the captures of a source that the content does not hold under this pipeline, oldest first.

    They are those up to a day, and after a change of the pipeline all that a promoted release holds, whatever their day.
    """
    with database.transaction("writer") as c:
        rows = c.execute(
            f"""{HELD} select {COLUMNS}, h.capture_id is not null from capture k
                left join (select distinct capture_id from held where promoted) h using (capture_id)
                where source = %(source)s and (day <= %(until)s or h.capture_id is not null)
                  and capture_id not in (select capture_id from current)
                order by day, seq""", {"source": source, "pipeline": pipeline, "until": until})
        return _with_newer([Capture(*row) for row in rows])


def _with_newer(captures: list[Capture]) -> list[Capture]:
    found, newer = [], ""
    for capture in reversed(captures):
        found.append(replace(capture, newer=newer))
        if capture.held:
            newer = hashlib.sha256(f"{newer} {capture.capture_id}".encode()).hexdigest()[:8]
    return found[::-1]


def record_capture(
    database: Database, *, source: str, day: dt.date, file: str, digest: bytes, upserted: Iterable[KnownDocument],
    deleted: Iterable[str], restamped: Iterable[KnownDocument], run_id: str,
) -> Capture | None:
    """Enter a capture and the documents' new state in one transaction; None when it delivered nothing.

    Two captures of the same source at once: the second finds that the first entered the same digest, and adds nothing.
    """
    upserted, deleted = list(upserted), list(deleted)
    with database.transaction("writer") as c:
        with patience(c, f"{database.name}: another capture is entered"):
            c.execute("lock table turn_of_capture in exclusive mode")
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


def unreadable_documents(database: Database) -> dict[str, str]:
    """Return the reasons by source/doc_id of all documents that cannot be used as they were last delivered."""
    with database.transaction("writer") as c:
        return {row[0]: row[1] for row in c.execute(f"select n.source || '/' || n.doc_id, f.reason from {UNREADABLE} order by 1")}


def unreadable_sources(database: Database) -> dict[str, int]:
    """Return the sources of which no document can be used as it was last delivered, each with how many it has."""
    with database.transaction("writer") as c:
        failed = c.execute(f"select n.source, count(*) from {UNREADABLE} group by n.source order by 1").fetchall()
        delivered = dict(c.execute("select source, count(*) from known_document where not deleted group by source").fetchall())
    return {source: count for source, count in failed if count == delivered[source]}


def count_unreadable(database: Database, source: str) -> int:
    """Return how many documents of a source cannot be used as they were last delivered."""
    with database.transaction("writer") as c:
        row = c.execute(f"select count(*) from {UNREADABLE} and n.source = %s", (source,)).fetchone()
    return row[0] if row else 0


def failures_of(database: Database, capture_ids: Sequence[int]) -> list[tuple[str, str, str]]:
    """Return (doc_id, source_object, reason) of the documents of these captures that could not be used."""
    with database.transaction("writer") as c:
        rows = c.execute("select doc_id, source_object, reason from capture_failure where capture_id = any(%s) order by 1, 2",
                         (list(capture_ids),))
        return [(row[0], row[1], row[2]) for row in rows]
