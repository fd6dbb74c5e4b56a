"""A change of pipeline: another model, chunker or declared field, on its way from the YAML into a release.

The live release is left alone; the candidate is filled anew. When the first capture of a source is applied under the new pipeline,
the candidate closes every row of the source, so that nothing of the old pipeline is left in it, and all captures that the content
held are applied again. A candidate of a pipeline that the YAML does not name any more is discarded, and one that is filled in part
is not sealed. Going back is a change like any other: the vectors are still there, the rows are written again.
"""

import datetime as dt
import json
from collections.abc import Mapping

import psycopg

from kb_platform.knowledge.errors import StateError
from kb_platform.storage.apply import OPEN, lock
from kb_platform.storage.captures import HELD, Capture, pending_captures
from kb_platform.storage.database import Database
from kb_platform.storage.index_beside import go_past_index
from kb_platform.storage.releases import undo

BATCH = 50_000  # rows that one statement closes: its guard holds them all


def discard_outdated(database: Database, space_id: str, pipelines: Mapping[str, str]) -> int | None:
    """Discard the candidate if it was built for another space, or holds a source under another pipeline; return its id then."""
    with database.transaction("writer") as c:
        lock(c, database)
        row = c.execute(
            """select r.release_id from release r where status in ('building', 'sealed') and (space_id <> %s or exists (
                 select 1 from applied_capture a join capture c using (capture_id)
                 join jsonb_each_text(%s::jsonb) wanted on wanted.key = c.source
                 where a.release_id = r.release_id and a.pipeline <> wanted.value))""",
            (space_id, json.dumps(dict(pipelines)))).fetchone()
        if row:
            undo(c, row[0])
        return row[0] if row else None


def is_current(connection: psycopg.Connection, capture: Capture, pipeline: str) -> bool:
    """Tell whether the content holds a capture under this pipeline; `connection` holds the lock."""
    names = {"source": capture.source, "pipeline": pipeline, "id": capture.capture_id}
    return connection.execute(f"{HELD} select 1 from current where capture_id = %(id)s", names).fetchone() is not None


def begin_switch(connection: psycopg.Connection, source: str, pipeline: str, release_id: int) -> int:
    """Close a source's rows if the content holds it under another pipeline only; return how many chunks were closed."""
    switching = connection.execute(f"{HELD} select 1 from switched where release_id > 0 and not exists (select 1 from current)",
                                   {"source": source, "pipeline": pipeline}).fetchone()
    if not switching:
        return 0
    closed = _close(connection, source, release_id)
    go_past_index(connection, release_id, closed)  # about as many come, in however many deliveries
    return closed


def leave_out_removed(database: Database, release_id: int, space_id: str, sources: list[str]) -> None:
    """Close in the candidate what sources that the YAML does not name any more have in other spaces.

    An entry under no pipeline remembers it, so that a source that comes back is applied again.
    """
    with database.transaction("writer") as c:
        lock(c, database)
        rows = c.execute("select distinct source from chunk where space_id <> %s and valid_to = %s and source <> all(%s)",
                         (space_id, OPEN, sources)).fetchall()
        for (source,) in rows:
            _close(c, source, release_id)
            c.execute("""insert into applied_capture select distinct capture_id, '', %s::int
                         from applied_capture join capture using (capture_id) where source = %s on conflict do nothing""",
                      (release_id, source))


def _close(connection: psycopg.Connection, source: str, release_id: int) -> int:
    names = {"source": source, "rel": release_id, "open": OPEN, "from": 0, "to": 0}
    last = connection.execute("select coalesce(max(id), 0) from chunk").fetchone()
    assert last is not None
    closed = 0
    for start in range(0, last[0] + 1, BATCH):
        closed += connection.execute(
            """update chunk set valid_to = %(rel)s where source = %(source)s and valid_to = %(open)s and valid_from < %(rel)s
               and id >= %(from)s and id < %(to)s""", names | {"from": start, "to": start + BATCH}).rowcount
    connection.execute("update document_version set valid_to = %(rel)s where source = %(source)s and valid_to = %(open)s "
                       "and valid_from < %(rel)s", names)
    return closed


def check_complete(database: Database, release_id: int, space_id: str, pipelines: Mapping[str, str]) -> None:
    """Refuse to seal a candidate in which a change of pipeline has come only part of the way.

    Raises:
        StateError: it names the sources of which deliveries are missing.
    """
    left = {source: len(pending_captures(database, source, pipeline, dt.date.min)) for source, pipeline in pipelines.items()}
    with database.transaction("writer") as c:
        lacking = [f"{count} of {source}" for source, count in left.items()
                   if count and _is_switching(c, source, pipelines[source], space_id)]
    if lacking:
        raise StateError(
            f"release {release_id} does not hold all deliveries under the settings of defs.yaml yet: {', '.join(lacking)} are missing",
            where=database.name, action="refresh all sources, until all have their vectors; readers see the live release meanwhile",
        )


def _is_switching(connection: psycopg.Connection, source: str, pipeline: str, space_id: str) -> bool:
    """A source that is wholly under its old pipeline may stay so, unless its rows are in another space than the release."""
    return connection.execute(
        f"""{HELD} select 1 where exists (select 1 from current)
              or exists (select 1 from chunk where source = %(source)s and valid_to = %(open)s and space_id <> %(space)s)""",
        {"source": source, "pipeline": pipeline, "space": space_id, "open": OPEN}).fetchone() is not None
