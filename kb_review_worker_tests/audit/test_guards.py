"""What the database itself refuses, to the worker's role, to the auditor's and to the owner of the tables."""

import psycopg
import pytest
from psycopg import errors

from kb_audit.entries import Entry, canonical
from kb_review_worker.storage.histories import PostgresHistories
from kb_review_worker_tests.audit.trails import AT, Trail, event

pytestmark = pytest.mark.anyio
REFUSED = [
    "update review.audit_event set body = '{}'",
    "update review.audit_event set hash = previous",
    "delete from review.audit_event",
    "truncate review.audit_event",
    "update review.audit_seal set seq = 1",
    "delete from review.audit_seal",
    "truncate review.audit_seal",
    "update review.history set content = ''",
    "delete from review.history",
    "truncate review.history",
    "select review.audit_expire(1)",
]


def run(trail: Trail, role: str | None, statement: str) -> None:
    """Run a statement as a role; as the tables' owner, who is a superuser here, where none is named."""
    with psycopg.connect(trail.url) as connection:
        if role:
            connection.execute(f"set role {role}".encode())
        connection.execute(statement.encode())


@pytest.mark.parametrize("role", [None, "kb_review_worker", "kb_review_auditor"])
async def test_rows_are_never_changed_or_removed(trail: Trail, role: str | None) -> None:
    await trail.write(2)
    await trail.sealer.seal()
    await PostgresHistories(trail.database).keep(event(3), "{}")
    before = trail.verify()
    for statement in REFUSED:
        with pytest.raises((errors.RestrictViolation, errors.InsufficientPrivilege)):
            run(trail, role, statement)
    assert trail.verify() == before


async def test_guards_hold_for_a_session_that_calls_itself_a_replica(trail: Trail) -> None:
    await trail.write(2)
    with psycopg.connect(trail.url) as connection:
        connection.execute("set session_replication_role = replica")
        with pytest.raises(errors.RestrictViolation):
            connection.execute("update review.audit_event set body = '{}'")


async def test_the_workers_role_writes_by_the_function_alone(trail: Trail) -> None:
    entry = canonical(Entry("noted", AT, "review/1", "run"))
    run(trail, "kb_review_worker", f"select review.audit_append('{entry}')")
    with pytest.raises(errors.InsufficientPrivilege):
        run(trail, "kb_review_worker", f"insert into review.audit_event (body) values ('{entry}')")
    with pytest.raises(errors.InsufficientPrivilege):
        run(trail, "kb_review_auditor", f"select review.audit_append('{entry}')")
    run(trail, "kb_review_auditor", "select * from review.audit_event, review.audit_seal, review.history")
    assert len(trail.rows()) == 1


async def test_a_row_inserted_by_hand_is_chained_whatever_it_says_of_itself(trail: Trail) -> None:
    await trail.write(2)
    entry = canonical(Entry("forged", AT, "review/1", "run"))
    run(trail, None, "insert into review.audit_event (seq, previous, hash, recorded_at, body) "
        f"values (1, 'x', 'y', '2001-01-01', '{entry}')")
    await trail.write(1, first=3)
    await trail.sealer.seal()
    assert (trail.verify().status, trail.verify().last) == ("intact", 4)


async def test_an_event_told_twice_is_one_row(trail: Trail) -> None:
    await trail.write(3)
    await trail.write(3)
    assert len(trail.rows()) == 3


@pytest.mark.parametrize("body", ["", "no json", "[]", '{"id": "1"}', '{"id": null, "event": "x"}'])
async def test_what_is_no_entry_is_refused(trail: Trail, body: str) -> None:
    with psycopg.connect(trail.url) as connection, pytest.raises((errors.NotNullViolation, errors.InvalidTextRepresentation)):
        connection.execute("select review.audit_append(%s)", (body,))


async def test_what_an_attacker_sent_is_recorded_too(trail: Trail) -> None:
    entry = Entry("refused", AT, meaning="nul \0 and half a pair \ud800", event_id="x" * 10_000)
    with psycopg.connect(trail.url) as connection:
        connection.execute("select review.audit_append(%s)", (canonical(entry),))
    await trail.sealer.seal()
    assert trail.verify().status == "intact"
    assert "nul \N{REPLACEMENT CHARACTER} and half a pair ?" in trail.rows()[0][1]
    assert len(trail.rows()[0][1]) < 5000
