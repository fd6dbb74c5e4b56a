"""HNSW indexes with too many dead entries are built anew, beside searches and refreshes; then the dead rows go.

In this order: VACUUM first would repair the neighbours of every dead entry, five times the work for the same end. These commands want to
be alone in their transaction and to own the table, so the owner's connection runs them. The newest whole index of a space holds all of
its rows (migrations/sql/0010_index_beside.sql); the others, and what a killed build left, are dropped.
"""

from dataclasses import dataclass

import psycopg
from psycopg import sql

from kb_platform.storage.database import Database

SUPERSEDED = """select name from hnsw_indexes(%(space)s) where name is distinct from (
                  select name from hnsw_indexes(%(space)s) where whole order by number desc nulls last limit 1) order by 1"""


@dataclass(frozen=True)
class SpaceIndex:
    """The HNSW index of a space: entries that lead to a row, entries that lead to none; `built` is false before the first load."""

    space: str
    rows: int
    dead: int
    built: bool


@dataclass(frozen=True)
class Rebuilt:
    """What one rebuild did. `dead` rows are left where a transaction older than it goes on, and `note` where it gave way to one."""

    space: str
    bytes_before: int
    bytes_after: int
    left_overs: int
    dead: int
    note: str | None = None


def space_indexes(database: Database) -> list[SpaceIndex]:
    """Return the spaces' indexes with exact counts."""
    with database.transaction("collector") as c:
        spaces = c.execute("""select space_id, garbage, exists (select 1 from hnsw_indexes(space_id)) from embedding_space
                              where to_regclass('chunk_' || space_id) is not null order by space_id""").fetchall()
        rows = dict(c.execute("select space_id, count(*) from chunk group by space_id").fetchall())
    return [SpaceIndex(space, rows.get(space, 0), dead, built) for space, dead, built in spaces]


def drop_superseded(database: Database, space: str, patience: str = "5min") -> str | None:
    """Drop the indexes before the newest one, and what killed builds left; searches go on. Return a note where a transaction was in the way."""
    with database.session("owner") as c:
        _prepare(c, database, patience)
        try:
            _drop_superseded(c, space)
        except psycopg.errors.LockNotAvailable:
            return f"{space}: an older index gave way to another transaction after {patience}; the next run drops it"
    return None


def rebuild_index(database: Database, space: str, patience: str = "5min") -> Rebuilt:
    """Build a space's HNSW index anew and vacuum its rows; killed at any point, it is begun anew. Searches go on meanwhile."""
    with database.session("owner") as c:
        _prepare(c, database, patience)
        before, left_overs, note = _size(c, space), 0, None
        try:
            left_overs = _drop_superseded(c, space)
            _build(c, space)
            _drop_superseded(c, space)
            c.execute(sql.SQL("vacuum (analyze) {}").format(sql.Identifier(f"chunk_{space}")))
        except psycopg.errors.LockNotAvailable:
            note = f"gave way to another transaction after {patience}; the next run tries again"
        else:
            c.execute("update embedding_space set garbage = %s where space_id = %s", (_dead(c, space), space))
        dead = c.execute("select garbage from embedding_space where space_id = %s", (space,)).fetchall()[0][0]
        return Rebuilt(space, before, _size(c, space), left_overs, dead, note)


def _prepare(connection: psycopg.Connection, database: Database, patience: str) -> None:
    connection.execute(sql.SQL("set kb.own_change to {}").format(sql.Literal(database.schema)))  # for the audit of changed guards
    connection.execute(sql.SQL("set lock_timeout to {}").format(sql.Literal(patience)))
    connection.execute("""select set_config('maintenance_work_mem', greatest(setting::bigint, 1048576) || 'kB', false)
                          from pg_settings where name = 'maintenance_work_mem'""")  # 1 GB, or more where the server gives more


def _build(connection: psycopg.Connection, space: str) -> None:
    number, dimension = connection.execute(
        """select (select coalesce(max(number), 0) + 1 from hnsw_indexes(space_id)), dimension from embedding_space where space_id = %s""",
        (space,)).fetchall()[0]
    connection.execute(sql.SQL(
        "create index concurrently {} on {} using hnsw ((embedding::halfvec({})) halfvec_cosine_ops) where index_no <= {}").format(
            sql.Identifier(f"chunk_{space}_hnsw_{number}"), sql.Identifier(f"chunk_{space}"), sql.Literal(dimension), sql.Literal(number)))


def _drop_superseded(connection: psycopg.Connection, space: str) -> int:
    found = connection.execute(SUPERSEDED, {"space": space}).fetchall()
    for (name,) in found:
        connection.execute(sql.SQL("drop index concurrently if exists {}").format(sql.Identifier(name)))
    return len(found)


def _dead(connection: psycopg.Connection, space: str) -> int:
    """Return how many dead rows VACUUM had to leave, because an older transaction may see them."""
    return connection.execute("select coalesce(pg_stat_get_dead_tuples(to_regclass(%s)), 0)", (f"chunk_{space}",)).fetchall()[0][0]


def _size(connection: psycopg.Connection, space: str) -> int:
    return connection.execute("select coalesce(sum(pg_relation_size(to_regclass(name))), 0)::bigint from hnsw_indexes(%s)", (space,)).fetchall()[0][0]
