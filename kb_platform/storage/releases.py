"""Releases: opened, sealed, judged, and the pointer.

The statements are short because the database holds the rules (migrations/sql/0001_first.sql): what is not allowed is refused
there, for every role.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from kb_platform.knowledge.errors import GateRefusal, StateError
from kb_platform.storage.apply import OPEN, lock
from kb_platform.storage.database import Database, Role
from kb_platform.storage.review_cases import withdraw_newly_stale
from kb_platform.storage.signatures import check_signatures

COLUMNS = ("release_id", "base_release", "status", "space_id", "pipeline", "content_digest", "required_gates", "gates_passed",
           "promotable", "verdict", "chunk_count", "document_count", "run_id", "created_at", "sealed_at", "promoted_at")


@dataclass(frozen=True)
class Release:
    """One row of `release`."""

    release_id: int
    base_release: int | None
    status: str
    space_id: str
    pipeline: str
    content_digest: bytes | None
    required_gates: list[str]
    gates_passed: int
    promotable: bool
    verdict: str | None
    chunk_count: int | None
    document_count: int | None
    run_id: str | None
    created_at: dt.datetime
    sealed_at: dt.datetime | None
    promoted_at: dt.datetime | None


def list_releases(database: Database, role: Role = "gate") -> list[Release]:
    """Return all releases, newest first."""
    with database.transaction(role) as c:
        return [Release(*row) for row in c.execute(f"select {', '.join(COLUMNS)} from release order by release_id desc")]


def get_release(database: Database, release_id: int) -> Release:
    """Return one release.

    Raises:
        StateError: there is none with this id.
    """
    found = [r for r in list_releases(database) if r.release_id == release_id]
    if not found:
        raise StateError(f"release {release_id} does not exist", where=database.name, action=f"see `kb releases {database.name}`")
    return found[0]


def kept_release(database: Database, release_id: int) -> Release:
    """Return a release whose sealed content is all there, promoted or not.

    Raises:
        StateError: there is none with this id, it was never sealed, it was discarded, or its rows were collected.
    """
    release = get_release(database, release_id)
    if release.status == "discarded" or release.content_digest is None:
        found = "was discarded" if release.status == "discarded" else "is not sealed: its content may still change"
        raise StateError(f"release {release_id} {found}", where=database.name, action=f"see `kb releases {database.name}`")
    with database.transaction("gate") as c:
        row = c.execute("select release_id from gc_horizon").fetchone()
    if row and release_id < row[0]:
        raise StateError(f"the rows of release {release_id} were collected", where=database.name, expected=f"release {row[0]} or a later one")
    return release


def live_release(database: Database, role: Role = "gate") -> int | None:
    """Return the id that the pointer shows, None before the first promotion."""
    with database.transaction(role) as c:
        row = c.execute("select release_id from active").fetchone()
    return row[0] if row else None


def candidate(database: Database) -> Release | None:
    """Return the release that is building, or sealed and undecided."""
    return next((r for r in list_releases(database) if r.status in ("building", "sealed")), None)


def newest_release(database: Database) -> int | None:
    """Return the release with the newest content: the candidate, else the live one; None before the first."""
    release = candidate(database)
    return release.release_id if release else live_release(database)


def open_candidate(connection: psycopg.Connection, space_id: str, pipeline: str, run_id: str) -> int:
    """Return the building release: the open one, the sealed one with its seal undone (which voids its verdict), or a new one.

    `connection` is a writer's and holds the knowledge base's lock. An open one is in this space: see storage/switch.py.
    """
    row = connection.execute("select release_id from release where status in ('building', 'sealed') for update").fetchone()
    if row:
        connection.execute("""update release set status = 'building', content_digest = null, sealed_at = null, verdict = null,
                              pipeline = %s, run_id = %s where release_id = %s""", (pipeline, run_id, row[0]))
        return int(row[0])
    fresh = connection.execute(
        """insert into release (release_id, base_release, space_id, pipeline, run_id)
           select coalesce(max(release_id), 0) + 1, max(release_id) filter (where status <> 'discarded'), %s, %s, %s from release
           returning release_id""", (space_id, pipeline, run_id)).fetchone()
    assert fresh is not None
    return int(fresh[0])


def seal(database: Database, release_id: int, required_gates: Sequence[str]) -> bytes:
    """Build the index where it is missing, freeze content and required gates; the guard counts the terms and makes the digest, which is returned.

    Sealing a sealed release again with the same gates returns its digest and changes nothing.
    """
    with database.transaction("writer") as c:
        lock(c, database)
        row = c.execute("select status, content_digest, required_gates from release where release_id = %s for update",
                        (release_id,)).fetchone()
        if row and row[0] == "sealed" and sorted(row[2]) == sorted(required_gates):
            return bytes(row[1])
        if row and row[0] == "sealed":
            c.execute("update release set status = 'building', content_digest = null, verdict = null where release_id = %s", (release_id,))
        c.execute("select build_index(%s)", (release_id,))
        done = c.execute("update release set status = 'sealed', required_gates = %s where release_id = %s returning content_digest",
                         (list(required_gates), release_id)).fetchone()
        if done is None:
            raise StateError(f"release {release_id} does not exist", where=database.name)
        return bytes(done[0])


def promote(database: Database, release_id: int, on_behalf_of: str = "") -> None:
    """Move the pointer: forward to a candidate or back to a kept release. The database decides whether it may, and then the signatures.

    In this order, and in one transaction: a verdict that is given after its signature was looked for would count. The log of promotions says
    `on_behalf_of` beside the role.

    Raises:
        GateRefusal: a required gate has not passed for this content, its verdict carries no signature of ours, the content is not what was
            sealed, or the release's rows were collected.
    """
    try:
        with database.transaction("promoter") as c:
            c.execute("select set_config('kb.on_behalf_of', %s, true)", (on_behalf_of,))
            c.execute("""insert into active (release_id) values (%s)
                         on conflict (one) do update set release_id = excluded.release_id""", (release_id,))
            check_signatures(database, c, release_id)
    except psycopg.errors.CheckViolation as error:
        lacking = error.diag.constraint_name == "all_required_gates_passed"  # promote_guard() (migrations/sql/0007_fair_and_named.sql)
        look = f"kb report {database.name} --release {release_id}" if lacking else f"kb releases {database.name}"
        raise GateRefusal(error.diag.message_primary or str(error), where=database.name, action=f"see `{look}`") from error


def discard(database: Database, release_id: int) -> dict[str, int]:
    """Undo a release whole: its rows go, what it closed is open again, its captures are marked to be applied again, what only it asked of a person is withdrawn.

    Raises:
        StateError: there is none of that number, it is live, or a newer release builds on it.
    """
    try:
        with database.transaction("writer") as c:
            lock(c, database)
            if c.execute("select 1 from release where release_id = %s", (release_id,)).fetchone() is None:
                raise StateError(f"release {release_id} does not exist", where=database.name, action=f"see `kb releases {database.name}`")
            return undo(c, release_id)
    except (psycopg.errors.CheckViolation, psycopg.errors.ForeignKeyViolation) as error:
        raise StateError(error.diag.message_primary or str(error), where=database.name,
                         action="discard the newest first; `kb rollback` comes before it where that is live") from error


def undo(connection: psycopg.Connection, release_id: int) -> dict[str, int]:
    """Discard a release within a writer's transaction that holds the lock."""
    names = {"id": release_id, "open": OPEN}
    connection.execute("update release set status = 'discarded' where release_id = %(id)s", names)
    withdraw_newly_stale(connection, release_id)  # after the release, as whoever judges it does
    connection.execute("delete from document_version where valid_from = %(id)s", names)
    connection.execute("update document_version set valid_to = %(open)s where valid_to = %(id)s", names)
    removed = connection.execute("delete from chunk where valid_from = %(id)s", names).rowcount
    reopened = connection.execute("update chunk set valid_to = %(open)s where valid_to = %(id)s", names).rowcount
    connection.execute("delete from term_df where valid_from = %(id)s", names)
    connection.execute("delete from applied_capture where release_id = %(id)s", names)
    return {"rows_removed": removed, "rows_reopened": reopened}


def text_digest(database: Database, release_id: int) -> bytes:
    """Return a digest of what a release says, in titles, metadata and chunks: alike in every knowledge base that was told the same.

    `content_digest` covers vectors and weights as well, which another processor computes a last digit differently.
    """
    with database.transaction("gate") as c:
        return bytes(c.execute("select text_digest(%s)", (release_id,)).fetchall()[0][0])


def count_rows(database: Database, source: str) -> int:
    """Return the number of documents that a source has in the newest content, promoted or not."""
    with database.transaction("writer") as c:
        row = c.execute("select count(*) from document_version where source = %s and valid_to = %s", (source, OPEN)).fetchone()
    return row[0] if row else 0


def promotions(database: Database) -> list[dict[str, Any]]:
    """Return the pointer's moves, oldest first: `by` is the database's role, `on_behalf_of` what the platform said, an account or a run."""
    with database.transaction("gate") as c:
        rows = c.execute("select from_release, to_release, by_user, on_behalf_of, at from promotion_log order by id")
        return [dict(zip(("from", "to", "by", "on_behalf_of", "at"), row, strict=True)) for row in rows]
