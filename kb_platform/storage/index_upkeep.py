"""HNSW indexes with too many dead entries are built anew, beside searches and refreshes; then the dead rows go.

In this order: VACUUM first would repair the neighbours of every dead entry, five times the work for the same end. Both commands want to
be alone in their transaction and to own the table, so the owner's connection runs them.
"""

from dataclasses import dataclass

import psycopg
from psycopg import sql

from kb_platform.storage.database import Database

# What a killed or failed REINDEX CONCURRENTLY leaves (Postgres' manual, REINDEX, "Rebuilding Indexes Concurrently").
LEFT_OVER = """select c.relname from pg_index i join pg_class c on c.oid = i.indexrelid
               where i.indrelid = to_regclass(%s) and not i.indisvalid and c.relname ~ '_cc(new|old)[0-9]*$'"""


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
        spaces = c.execute("""select space_id, garbage, to_regclass(format('chunk_%s_hnsw', space_id)) is not null from embedding_space
                              where to_regclass('chunk_' || space_id) is not null order by space_id""").fetchall()
        rows = dict(c.execute("select space_id, count(*) from chunk group by space_id").fetchall())
    return [SpaceIndex(space, rows.get(space, 0), dead, built) for space, dead, built in spaces]


def rebuild_index(database: Database, space: str, patience: str = "5min") -> Rebuilt:
    """Build a space's HNSW index anew and vacuum its rows; killed at any point, it is begun anew. Searches go on meanwhile."""
    table = f"chunk_{space}"
    index = f"{table}_hnsw"
    with database.session("owner") as c:
        c.execute(sql.SQL("set kb.own_change to {}").format(sql.Literal(database.schema)))  # for the audit of changed guards
        c.execute(sql.SQL("set lock_timeout to {}").format(sql.Literal(patience)))
        c.execute("""select set_config('maintenance_work_mem', greatest(setting::bigint, 1048576) || 'kB', false)
                     from pg_settings where name = 'maintenance_work_mem'""")  # 1 GB, or more where the server gives more
        before, left_overs, note = _size(c, index), 0, None
        try:
            left_overs = _drop_left_overs(c, table)
            c.execute(sql.SQL("reindex index concurrently {}").format(sql.Identifier(index)))
            c.execute(sql.SQL("vacuum (analyze) {}").format(sql.Identifier(table)))
        except psycopg.errors.LockNotAvailable:
            note = f"gave way to another transaction after {patience}; the next run tries again"
        else:
            c.execute("update embedding_space set garbage = %s where space_id = %s", (_dead(c, table), space))
        dead = c.execute("select garbage from embedding_space where space_id = %s", (space,)).fetchall()[0][0]
        return Rebuilt(space, before, _size(c, index), left_overs, dead, note)


def _drop_left_overs(connection: psycopg.Connection, table: str) -> int:
    found = connection.execute(LEFT_OVER, (table,)).fetchall()
    for (name,) in found:
        connection.execute(sql.SQL("drop index concurrently if exists {}").format(sql.Identifier(name)))
    return len(found)


def _dead(connection: psycopg.Connection, table: str) -> int:
    """Return how many dead rows VACUUM had to leave, because an older transaction may see them."""
    return connection.execute("select coalesce(pg_stat_get_dead_tuples(to_regclass(%s)), 0)", (table,)).fetchall()[0][0]


def _size(connection: psycopg.Connection, relation: str) -> int:
    return connection.execute("select coalesce(pg_relation_size(to_regclass(%s)), 0)", (relation,)).fetchall()[0][0]
