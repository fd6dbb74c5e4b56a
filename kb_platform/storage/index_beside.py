"""Whether many new rows go past the HNSW index that readers use: the seal then builds the next one, which holds all rows.

To put a row into an index costs three milliseconds of the processor, to build an index a half a row (bench/index_beside.py): from about
a fifth of the rows on, building is cheaper. It costs the index's bytes once more until maintenance drops the older one.
"""

import psycopg

MANY, SHARE = 1000, 0.25  # rows, and of the rows of the release before: fewer are put into the index one by one, within seconds


def go_past_index(connection: psycopg.Connection, release_id: int, rows: int) -> None:
    """Decide for the rows that a candidate is about to get; `connection` is a writer's and holds the lock.

    An index that holds every row, as those of before revision 0010 do, cannot be gone past: maintenance replaces it when it is due.
    """
    if rows < MANY:
        return
    connection.execute(
        """update release r set index_no = h.last + 1
           from (select r.release_id, max(i.number) as last, max(i.number) filter (where i.whole) as newest, bool_or(i.number is null) as unnumbered
                 from release r, hnsw_indexes(r.space_id) i where r.release_id = %(id)s group by 1) h
           where r.release_id = h.release_id and not h.unnumbered and r.index_no <= h.newest
             and %(rows)s >= %(share)s * (select coalesce(max(b.chunk_count), 0) from release b where b.release_id = r.base_release)""",
        {"id": release_id, "rows": rows, "share": SHARE})
