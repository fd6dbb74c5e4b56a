"""Deletes what no kept release shows, in transactions of bounded size: killed at any point, the next run continues.

Each kind of garbage is one predicate, which counting and deleting share, so that a dry run says exactly what a run does. What may go
is checked once more by the database (row_delete_guard, term_guard, horizon_guard), whoever deletes.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import LiteralString

import psycopg

from kb_platform.knowledge.retention import Horizon, PastState, Retention, decide_horizon
from kb_platform.storage.database import Database

BATCH = 20_000  # rows that one transaction looks at

CLOSED: LiteralString = "valid_to <= %(horizon)s"
KEPT: LiteralString = "space_id <> all(%(dropped)s)"
REPLACED: LiteralString = """valid_from < (select max(n.valid_from) from term_df n where n.term = t.term and n.valid_from <= %(horizon)s)"""
OUTDATED: LiteralString = """d.valid_from < (select max(n.valid_from) from document_digest n
  where n.source = d.source and n.doc_id = d.doc_id and n.valid_from <= %(horizon)s)"""
UNUSED: LiteralString = """v.added_at < %(derived)s and not exists (
  select 1 from chunk k where k.space_id = v.space_id and k.text_hash = v.text_hash and k.valid_to > %(horizon)s)"""
# Few rows are old enough, the planner thinks, and would look for each text in all chunks: quadratic where many are.
BY_HASH: LiteralString = "set local enable_nestloop = off"
DROPPED: LiteralString = """to_regclass('chunk_' || s.space_id) is not null and s.created_at < %(derived)s
  and not exists (select 1 from release r where r.space_id = s.space_id and r.status <> 'discarded' and r.release_id >= %(horizon)s)
  and not exists (select 1 from vector v where v.space_id = s.space_id and v.added_at >= %(derived)s)"""


@dataclass(frozen=True)
class Limits:
    """Below which release, and before which times, something is garbage."""

    horizon: int
    derived: dt.datetime
    judged: dt.datetime

    @classmethod
    def of(cls, horizon: int, retention: Retention, now: dt.datetime) -> "Limits":
        """Return the limits that a retention means now."""
        return cls(horizon, now - dt.timedelta(days=retention.derived_days), now - dt.timedelta(days=retention.judged_days))


def horizon_of(database: Database) -> int:
    """Return the oldest release whose rows are all there."""
    with database.transaction("gate") as c:
        return c.execute("select release_id from gc_horizon").fetchall()[0][0]


def move_horizon(database: Database, retention: Retention, now: dt.datetime, *, dry_run: bool = False) -> Horizon:
    """Decide where the horizon belongs and move it there: one transaction, in which the pointer cannot move.

    A promotion or rollback at the same time waits for it, or is waited for (promote_guard share-locks the same row).
    """
    with database.transaction("collector") as c:
        current = c.execute("select release_id from gc_horizon" if dry_run else "select hold_horizon()").fetchall()[0][0]
        pointer = c.execute("select release_id from active").fetchone()
        rows = c.execute(
            """select r.release_id, r.status, r.base_release, r.promoted_at is not null,
                 (select max(p.at) from promotion_log p where p.from_release = r.release_id) from release r order by 1""")
        found = decide_horizon([PastState(*row) for row in rows], pointer[0] if pointer else None, current, retention, now)
        if not dry_run and found.release > current:
            c.execute("select move_horizon(%s)", (found.release,))
        return found


def unused_spaces(database: Database, limits: Limits) -> list[str]:
    """Return the spaces that no kept release is in, and none is being filled for."""
    with database.transaction("collector") as c:
        return [row[0] for row in c.execute(f"select space_id from embedding_space s where {DROPPED} order by space_id", vars(limits))]


def closed_chunks(database: Database, limits: Limits, dropped: list[str]) -> dict[str, int]:
    """Return how many chunks of each space would go, but for those of the spaces that are dropped whole."""
    with database.transaction("collector") as c:
        return dict(c.execute(f"select space_id, count(*) from chunk where {CLOSED} and {KEPT} group by space_id",
                              {**vars(limits), "dropped": dropped}).fetchall())


def count_garbage(database: Database, limits: Limits, dropped: list[str]) -> dict[str, int]:
    """Return how many rows of each kind beside chunks would go, but for those of the spaces that are dropped whole."""
    names = {**vars(limits), "dropped": dropped}
    statements = {
        "document_versions": f"select count(*) from document_version where {CLOSED}",
        "term_frequencies": f"select count(*) from term_df t where {REPLACED}",
        "document_digests": f"select count(*) from document_digest d where {OUTDATED}",
        "vectors": f"select count(*) from vector v where {UNUSED} and {KEPT}",
        "judged": "select (select count(*) from judge_answer where at < %(judged)s) + (select count(*) from judge_vote where at < %(judged)s)",
    }
    with database.transaction("collector") as c:
        c.execute(BY_HASH)
        return {kind: c.execute(statement.encode(), names).fetchall()[0][0] for kind, statement in statements.items()}


def delete_garbage(database: Database, limits: Limits) -> dict[str, int]:
    """Delete all that `closed_chunks` and `count_garbage` count; return how many rows of each kind went."""
    return {
        "chunks": sum(_delete_chunks(database, space, limits) for space in _spaces(database)),
        "document_versions": _by_range(database, "document_version", "id", f"delete from document_version where {CLOSED}", limits),
        "term_frequencies": _by_range(database, "term_df", "term", f"delete from term_df t where {REPLACED}", limits),
        "document_digests": _delete_digests(database, limits),
        "vectors": sum(_delete_vectors(database, space, limits) for space in _spaces(database)),
        "judged": _delete_judged(database, limits),
    }


def _spaces(database: Database) -> list[str]:
    with database.transaction("collector") as c:
        rows = c.execute("select space_id from embedding_space where to_regclass('chunk_' || space_id) is not null order by space_id")
        return [row[0] for row in rows]


def _delete_chunks(database: Database, space: str, limits: Limits) -> int:
    of_space = f"chunk where space_id = '{space}'"  # 16 hex digits, by the table's own check; a literal prunes the other partitions
    return _by_range(database, of_space, "id", f"delete from {of_space} and {CLOSED}", limits)


def _by_range(database: Database, table: str, key: str, delete: str, limits: Limits) -> int:
    """Walk a table along its key, BATCH rows a transaction; there is no index on what is closed, and there must be none."""
    here, deleted = -1, 0
    more = "and" if " where " in table else "where"
    upto = f"select max({key}) from (select {key} from {table} {more} {key} > %(here)s order by {key} limit %(batch)s) b".encode()
    statement = f"{delete} and {key} > %(here)s and {key} <= %(upto)s".encode()
    while True:
        with database.transaction("collector") as c:
            names = {**vars(limits), "here": here, "batch": BATCH}
            last = c.execute(upto, names).fetchall()[0][0]
            if last is None:
                return deleted
            deleted += c.execute(statement, names | {"upto": last}).rowcount
            here = last


def _delete_digests(database: Database, limits: Limits) -> int:
    """Delete the digests of documents that a later one has replaced at or below the horizon."""
    with database.transaction("collector") as c:
        return c.execute(f"delete from document_digest d where {OUTDATED}".encode(), vars(limits)).rowcount


def _delete_vectors(database: Database, space: str, limits: Limits) -> int:
    """Chunks have no index on the text's hash, so that the unused ones are found in one pass and deleted by their key."""
    with database.transaction("collector") as c:
        c.execute(BY_HASH)
        hashes = iter([row[0] for row in c.execute(
            f"select v.text_hash from vector v where v.space_id = %(space)s and {UNUSED}", {**vars(limits), "space": space})])
    return sum(_each(database, hashes, lambda c, batch: c.execute(
        "delete from vector where space_id = %s and text_hash = any(%s)", (space, batch)).rowcount))


def _each(
    database: Database, items: Iterator[bytes], delete: Callable[[psycopg.Connection, list[bytes]], int]
) -> Iterator[int]:
    while batch := list(islice(items, BATCH)):
        with database.transaction("collector") as c:
            yield delete(c, batch)


def _delete_judged(database: Database, limits: Limits) -> int:
    deleted = 0
    for table in ("judge_answer", "judge_vote"):
        with database.transaction("collector") as c:
            keys = iter([row[0] for row in c.execute(f"select distinct key from {table} where at < %(judged)s", vars(limits))])
        deleted += sum(_each(database, keys, lambda c, batch, table=table: c.execute(
            f"delete from {table} where key = any(%s) and at < %s", (batch, limits.judged)).rowcount))
    return deleted
