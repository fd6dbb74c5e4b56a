"""The outbox of review cases: written in the transaction that found them, once for each kind, subject and digest.

Every opening of a case becomes a review of its own (storage/review_ledger.py): a case that comes back after it was withdrawn, or
after its review ended without a decision, is opened again and asked again. One that was decided is not.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg.types.json import Jsonb

from kb_platform.knowledge.errors import StateError
from kb_platform.knowledge.review_cases import NOT_DECIDED, CaseKind, ReviewCase
from kb_platform.storage.database import Database


@dataclass(frozen=True)
class StoredCase:
    """One row of `review_case`."""

    case_id: int
    kind: str
    subject: str
    digest: bytes
    release_id: int | None
    facts: dict[str, Any]
    state: str
    created_at: dt.datetime
    changed_at: dt.datetime
    asked_by: str | None
    request: str | None


COLUMNS = "c.case_id, c.kind, c.subject, c.digest, c.release_id, c.facts, c.state, c.created_at, c.changed_at, c.asked_by, c.request"


def raise_cases(connection: psycopg.Connection, cases: Iterable[ReviewCase], release_id: int | None) -> None:
    """Open cases inside the caller's transaction; a case that is open or decided stays as it is, any other one is opened again.

    Undecided cases of the same subject with another digest are superseded.
    """
    with connection.cursor() as cursor:
        for case in cases:
            row = (case.kind.value, case.subject, case.digest, release_id, Jsonb(dict(case.facts)))
            cursor.execute("""update review_case set state = 'superseded'
                              where kind = %s and subject = %s and digest <> %s and state = any(%s)""", (*row[:3], list(NOT_DECIDED)))
            cursor.execute(
                """insert into review_case (kind, subject, digest, release_id, facts) values (%s, %s, %s, %s, %s)
                   on conflict (kind, subject, digest) do update set state = 'open', release_id = excluded.release_id,
                     facts = excluded.facts where review_case.state not in ('open', 'decided')""", row)


def ask_waiver(database: Database, gate: str, digest: bytes, release_id: int, facts: Mapping[str, Any], asked_by: str, request: str) -> bool:
    """Open a case that asks to let a regression pass; False where it is open or decided already. The database knows the conditions.

    Raises:
        StateError: the gate does not say regression about the sealed candidate, or is never waived.
    """
    try:
        with database.transaction("gate") as c:
            return c.execute(
                """insert into review_case (kind, subject, digest, release_id, facts, asked_by, request) values ('waiver', %s, %s, %s, %s, %s, %s)
                   on conflict (kind, subject, digest) do update set state = 'open', release_id = excluded.release_id, facts = excluded.facts,
                     asked_by = excluded.asked_by, request = excluded.request where review_case.state not in ('open', 'decided')""",
                (gate, digest, release_id, Jsonb(dict(facts)), asked_by, request)).rowcount == 1
    except psycopg.errors.CheckViolation as error:
        raise _no_waiver(database, gate, release_id, error) from error


def _no_waiver(database: Database, gate: str, release_id: int | None, error: psycopg.errors.CheckViolation) -> Exception:
    if error.diag.constraint_name != "a_waiver_is_of_a_regression":  # case_guard() (migrations/sql/0007_fair_and_named.sql)
        return error
    return StateError(f"{gate} of release {release_id} cannot be waived as it stands", where=database.name,
                      expected=error.diag.message_primary or "", action=f"see `kb report {database.name}`")


def withdraw_waivers(connection: psycopg.Connection, gate: str, release_id: int, keep: bytes | None) -> None:
    """Withdraw what was asked about an earlier verdict of a gate: waivers of another digest than `keep`, all where it is None."""
    connection.execute("""update review_case set state = 'withdrawn' where kind = 'waiver' and subject = %s and release_id = %s
                            and state = any(%s) and digest is distinct from %s""", (gate, release_id, list(NOT_DECIDED), keep))


def reopen_case(database: Database, case_id: int) -> bool:
    """Ask again about a case whose review ended without a decision; False for any other case.

    Raises:
        StateError: it is a waiver of a verdict that stands no more.
    """
    ended: LiteralString = "case_id = %s and state in ('expired', 'cancelled')"
    with database.transaction("gate") as c:
        found = c.execute(f"select subject, release_id from review_case where {ended}", (case_id,)).fetchone()
        if found is None:
            return False
        c.execute("select 1 from release where release_id = %s for share", (found[1],))  # before the case, as whoever judges it does
        try:
            return c.execute(f"update review_case set state = 'open' where {ended}", (case_id,)).rowcount == 1
        except psycopg.errors.CheckViolation as error:
            raise _no_waiver(database, found[0], found[1], error) from error


def replace_cases(
    connection: psycopg.Connection, kind: CaseKind, cases: Sequence[ReviewCase], release_id: int | None, among: Sequence[str] | None = None,
) -> None:
    """Let these be the open cases of a kind (among some subjects): what is open and not among them has lost its reason."""
    withdraw_cases(connection, kind, among, keep=[case.subject for case in cases])
    raise_cases(connection, cases, release_id)


def withdraw_cases(connection: psycopg.Connection, kind: CaseKind, subjects: Sequence[str] | None, *, keep: Sequence[str] = ()) -> None:
    """Withdraw the undecided cases of a kind (about some subjects), but for those about the subjects in `keep`."""
    connection.execute(
        """update review_case set state = 'withdrawn' where kind = %s and state = any(%s) and subject <> all(%s)
             and (%s::text[] is null or subject = any(%s))""", (kind.value, list(NOT_DECIDED), list(keep), subjects, subjects))


def withdraw_others(database: Database, kind: CaseKind, subjects: Sequence[str]) -> None:
    """Withdraw the open cases of a kind that are about none of these subjects."""
    with database.transaction("gate") as c:
        withdraw_cases(c, kind, None, keep=subjects)


def withdraw_newly_stale(connection: psycopg.Connection, release_id: int) -> None:
    """Withdraw the undecided cases about goldens that are stale on a release and not on the live one, which it was judged beside.

    Where another release is live by now, what is stale there is for its next evaluation to say.
    """
    connection.execute(
        """update review_case k set state = 'withdrawn'
           from (select evidence from judgement where release_id = %s and gate = 'golden_retrieval' order by id desc limit 1) j
           where k.kind = 'stale_golden' and k.state = any(%s)
             and j.evidence ->> 'compared_with' is not distinct from (select release_id::text from active)
             and (j.evidence ->> 'compared_with' is null or j.evidence -> 'newly_stale' ? k.subject)""", (release_id, list(NOT_DECIDED)))


def list_cases(database: Database, states: Sequence[str]) -> list[StoredCase]:
    """Return the cases in some states, oldest first."""
    with database.transaction("gate") as c:
        rows = c.execute(f"select {COLUMNS} from review_case c where c.state = any(%s) order by c.case_id", (list(states),))
        return [StoredCase(*row) for row in rows]


def find_case(database: Database, case_id: int) -> StoredCase | None:
    """Return one case, whatever its state; None where there is none of that number."""
    with database.transaction("gate") as c:
        row = c.execute(f"select {COLUMNS} from review_case c where c.case_id = %s", (case_id,)).fetchone()
    return StoredCase(*row) if row else None
