"""What a knowledge base takes of the disk: its tables and indexes, with rows as Postgres last counted them."""

from dataclasses import dataclass

from kb_platform.storage.database import Database


@dataclass(frozen=True)
class Size:
    """A table (with what is kept out of line) or one of its indexes."""

    table: str
    index: str
    rows: int
    bytes: int


def sizes(database: Database) -> list[Size]:
    """Return every table and index of at least a page, the largest first."""
    with database.transaction("collector") as c:
        rows = c.execute(
            """select t.relname, '', greatest(t.reltuples, 0)::bigint, pg_table_size(t.oid) from pg_class t
               where t.relnamespace = %(schema)s::regnamespace and t.relkind = 'r'
               union all
               select t.relname, i.relname, greatest(i.reltuples, 0)::bigint, pg_relation_size(i.oid)
               from pg_class t join pg_index x on x.indrelid = t.oid join pg_class i on i.oid = x.indexrelid
               where t.relnamespace = %(schema)s::regnamespace and t.relkind = 'r' order by 4 desc, 1, 2""", {"schema": database.schema})
        return [Size(*row) for row in rows if row[3] > 0]
