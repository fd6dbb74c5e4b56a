"""Brings one capture into the open candidate: staging by COPY, then one set-based difference.

Only documents that the capture names are looked at, only what differs is written, and a document whose newer day is already
there stays as it is. Running it again writes nothing. The whole capture is one transaction under the knowledge base's lock, so
two runs of one day at once leave what one run leaves, and a killed run leaves nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg

from kb_platform.storage.binary_copy import int_array, sparse_vector
from kb_platform.storage.captures import Capture
from kb_platform.storage.database import Database
from kb_platform.storage.index_beside import go_past_index
from kb_platform.storage.locks import patience
from kb_platform.storage.quarantine import quarantine

OPEN = 2147483647

DOCUMENT_COLUMNS = "doc_id, deleted, version_hash, title, metadata, media_type, source_object"
CHUNK_COLUMNS = "doc_id, ordinal, start_char, end_char, content_hash, dup_no, text_hash, content, context, terms, term_weights"
CHUNK_TYPES = ("text", "int4", "int4", "int4", "bytea", "int4", "bytea", "text", "text", "bytea", "bytea")  # the last two as they are
STAGING = """
create temp table st_document (doc_id text primary key, deleted bool, version_hash bytea, title text, metadata jsonb,
                               media_type text, source_object text) on commit drop;
create temp table st_chunk (doc_id text, ordinal int, start_char int, end_char int, content_hash bytea, dup_no int,
                            text_hash bytea, content text, context text, terms int[], term_weights sparsevec) on commit drop
"""
SAME_CHUNK = "st.doc_id = k.doc_id and st.content_hash = k.content_hash and st.dup_no = k.dup_no"


@dataclass(frozen=True)
class Applied:
    """What one capture changed: documents by what happened to them, rows of the index."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    deleted: int = 0
    failed: int = 0
    rows_inserted: int = 0
    rows_closed: int = 0

    def __add__(self, other: "Applied") -> "Applied":
        """Add up two captures."""
        return Applied(*(a + b for a, b in zip(self.values(), other.values(), strict=True)))

    def values(self) -> tuple[int, ...]:
        """Return the counts in the order of the fields."""
        return (self.new, self.changed, self.unchanged, self.deleted, self.failed, self.rows_inserted, self.rows_closed)


def lock(connection: psycopg.Connection, database: Database) -> None:
    """Take the knowledge base's lock until the transaction ends: one writer of the candidate at a time.

    Raises:
        TransientError: another one has had it for as long as `locks.PATIENCE`.
    """
    with patience(connection, f"{database.name}: another refresh writes"):
        connection.execute("lock table turn_of_candidate in exclusive mode")


def apply_capture(
    connection: psycopg.Connection, capture: Capture, release_id: int, space_id: str, pipeline: str,
    documents: Iterable[Mapping[str, Any]],
) -> Applied:
    """Bring a chunked capture into the building release `release_id`; `connection` holds the lock.

    `documents` are the rows of the capture's chunk file, one a document, in its format (index/chunk_files.py).
    """
    connection.execute(STAGING)
    failed = _stage(connection, capture, documents)
    _drop_superseded(connection, capture)
    counts = _replace_documents(connection, capture, release_id)
    inserted, closed = _replace_chunks(connection, capture.source, release_id, space_id)
    connection.execute("insert into applied_capture values (%s, %s, %s) on conflict do nothing",
                       (capture.capture_id, pipeline, release_id))
    connection.execute("drop table st_document, st_chunk, st_touched, st_new")
    return Applied(**counts, failed=failed, rows_inserted=inserted, rows_closed=closed)


def _stage(connection: psycopg.Connection, capture: Capture, documents: Iterable[Mapping[str, Any]]) -> int:
    failures: list[tuple[int, str, str, str]] = []
    staged: list[tuple[Any, ...]] = []
    with connection.cursor().copy(f"copy st_chunk ({CHUNK_COLUMNS}) from stdin with (format binary)") as copy:
        copy.set_types(CHUNK_TYPES)
        for d in documents:
            if d["failure"]:
                failures.append((capture.capture_id, d["doc_id"], d["source_object"], d["failure"]))
                continue
            staged.append((d["doc_id"], d["deleted"], d["version_hash"], d["title"], d["metadata"], d["media_type"], d["source_object"]))
            for chunk in d["chunks"] or ():
                copy.write_row(_chunk_row(d["doc_id"], chunk))
    with connection.cursor().copy(f"copy st_document ({DOCUMENT_COLUMNS}) from stdin") as copy:
        for row in staged:
            copy.write_row(row)
    with connection.cursor() as cursor:
        cursor.executemany("insert into capture_failure values (%s, %s, %s, %s) on conflict do nothing", failures)
    quarantine(connection, capture)
    return len(failures)


def _chunk_row(doc_id: str, chunk: Mapping[str, Any]) -> tuple[Any, ...]:
    return (doc_id, chunk["ordinal"], chunk["start"], chunk["end"], chunk["content_hash"], chunk["dup_no"], chunk["text_hash"],
            chunk["content"], chunk["context"], int_array(chunk["terms"]), sparse_vector(chunk["terms"], chunk["weights"]))


def _drop_superseded(connection: psycopg.Connection, capture: Capture) -> None:
    """Newest day wins: leave alone what a later capture has already brought (or deleted)."""
    connection.execute(
        """delete from st_document st where exists (
             select 1 from document_version v where v.source = %(source)s and v.doc_id = st.doc_id and v.valid_to = %(open)s
               and (v.day, v.seq) > (%(day)s, %(seq)s))
           or exists (
             select 1 from known_document k join capture c using (capture_id)
             where k.source = %(source)s and k.doc_id = st.doc_id and k.deleted and (c.day, c.seq) > (%(day)s, %(seq)s)
               and exists (select 1 from applied_capture a where a.capture_id = c.capture_id))""",
        {"source": capture.source, "day": capture.day, "seq": capture.seq, "open": OPEN})
    connection.execute("delete from st_chunk c where not exists (select 1 from st_document d where d.doc_id = c.doc_id)")
    connection.execute("analyze st_document; analyze st_chunk")


def _replace_documents(connection: psycopg.Connection, capture: Capture, release_id: int) -> dict[str, int]:
    """Close, reopen and insert document versions; st_touched then names the documents whose chunks must be compared."""
    names = {"source": capture.source, "rel": release_id, "open": OPEN}
    connection.execute(
        """create temp table st_touched on commit drop as
           select st.doc_id, st.deleted, v.id as old_id, v.version_hash as old_hash, v.valid_from as old_from,
                  b.version_hash as base_hash
           from st_document st
           left join document_version v on v.source = %(source)s and v.doc_id = st.doc_id and v.valid_to = %(open)s
           left join document_version b on b.source = %(source)s and b.doc_id = st.doc_id and b.valid_from < %(rel)s
                                       and b.valid_to >= %(rel)s
           where st.deleted and v.id is not null or not st.deleted and v.version_hash is distinct from st.version_hash""", names)
    unchanged = _one(connection, "select count(*) from st_document st where not deleted and not exists "
                                 "(select 1 from st_touched t where t.doc_id = st.doc_id)")
    deleted = _one(connection, "select count(*) from st_touched where deleted")
    changed = _one(connection, "select count(*) from st_touched where not deleted and (old_id is not null or base_hash is not null)")
    new = _one(connection, "select count(*) from st_touched where not deleted and old_id is null and base_hash is null")
    connection.execute("delete from document_version v using st_touched t where v.id = t.old_id and v.valid_from = %(rel)s", names)
    connection.execute("update document_version v set valid_to = %(rel)s from st_touched t where v.id = t.old_id "
                       "and v.valid_from < %(rel)s", names)
    connection.execute(
        """update document_version v set valid_to = %(open)s from st_document st
           where v.source = %(source)s and v.doc_id = st.doc_id and v.valid_to = %(rel)s and v.version_hash = st.version_hash
             and not st.deleted""", names)
    _insert_documents(connection, capture, release_id)
    return {"new": new, "changed": changed, "unchanged": unchanged, "deleted": deleted}


def _insert_documents(connection: psycopg.Connection, capture: Capture, release_id: int) -> None:
    connection.execute(
        """with added as (
             insert into document_version (source, doc_id, version_hash, day, seq, capture_id, valid_from, title, metadata,
                                           media_type, source_object)
             select %(source)s, doc_id, version_hash, %(day)s, %(seq)s, %(capture)s, %(rel)s, title, metadata, media_type,
                    source_object
             from st_document st where not deleted and not exists (
               select 1 from document_version v where v.source = %(source)s and v.doc_id = st.doc_id and v.valid_to = %(open)s)
             returning id, doc_id)
           insert into passage (version_id, ordinal, start_char, end_char, content_hash, dup_no)
           select a.id, c.ordinal, c.start_char, c.end_char, c.content_hash, c.dup_no
           from added a join st_chunk c using (doc_id)""",
        {"source": capture.source, "day": capture.day, "seq": capture.seq, "capture": capture.capture_id, "rel": release_id,
         "open": OPEN})


def _replace_chunks(connection: psycopg.Connection, source: str, release_id: int, space_id: str) -> tuple[int, int]:
    names = {"source": source, "rel": release_id, "open": OPEN, "space": space_id}
    here = "k.space_id = %(space)s and k.source = %(source)s"  # the release's partition; others hold nothing open of the source
    touched = f"{here} and k.doc_id in (select doc_id from st_touched)"
    reopened = connection.execute(f"update chunk k set valid_to = %(open)s from st_chunk st where {here} "
                                  f"and k.valid_to = %(rel)s and {SAME_CHUNK}", names).rowcount
    removed = connection.execute(f"delete from chunk k where {touched} and k.valid_from = %(rel)s and k.valid_to = %(open)s "
                                 f"and not exists (select 1 from st_chunk st where {SAME_CHUNK})", names).rowcount
    closed = connection.execute(f"update chunk k set valid_to = %(rel)s where {touched} and k.valid_from < %(rel)s and "
                                f"k.valid_to = %(open)s and not exists (select 1 from st_chunk st where {SAME_CHUNK})", names).rowcount
    connection.execute(f"""create temp table st_new on commit drop as select st.* from st_chunk st
                           where not exists (select 1 from chunk k where {here} and k.valid_to = %(open)s and {SAME_CHUNK})""", names)
    go_past_index(connection, release_id, _one(connection, "select count(*) from st_new"))
    inserted = connection.execute(
        """insert into chunk (space_id, source, doc_id, content_hash, dup_no, valid_from, content, context, text_hash, terms,
                              term_weights, embedding, index_no)
           select %(space)s, %(source)s, st.doc_id, st.content_hash, st.dup_no, %(rel)s, st.content, st.context, st.text_hash, st.terms,
                  st.term_weights, v.embedding, (select index_no from release where release_id = %(rel)s)
           from st_new st left join vector v on v.space_id = %(space)s and v.text_hash = st.text_hash
           order by st.doc_id, st.ordinal""", names).rowcount
    return inserted + reopened, closed + removed


def _one(connection: psycopg.Connection, statement: LiteralString) -> int:
    row = connection.execute(statement).fetchone()
    return int(row[0]) if row else 0


