"""Many writers, killed writers, long trails: one chain."""

import asyncio
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from kb_audit.entries import canonical
from kb_platform_tests.waiting import wait_until
from kb_review_worker.storage.audit import PostgresAudit, entry_of
from kb_review_worker.storage.database import Database
from kb_review_worker.storage.migrate import migrate
from kb_review_worker_tests.audit.trails import Trail, event

pytestmark = pytest.mark.anyio
WRITER = """
import asyncio, sys
from kb_review_worker.storage.audit import PostgresAudit
from kb_review_worker.storage.database import Database
from kb_review_worker_tests.audit.trails import event

async def main():
    async with Database(sys.argv[1]) as database:
        audit = PostgresAudit(database)
        for number in range(100_000):
            await audit.record(event(number))
            print(number, flush=True)

asyncio.run(main())
"""


async def test_eight_writers_at_once_keep_one_chain(trail: Trail) -> None:
    async with Database(trail.url, size=8) as database:
        audit = PostgresAudit(database)

        async def write(writer: int) -> None:
            for number in range(25):
                await audit.record(event(writer * 1000 + number))
                await audit.record(event(number, "told by all of them"))

        await asyncio.gather(*(write(writer) for writer in range(8)), *(trail.sealer.seal() for _ in range(5)))
    await trail.sealer.seal()
    verdict = trail.verify()
    assert (verdict.status, verdict.last, verdict.sealed_through) == ("intact", 8 * 25 + 25, 8 * 25 + 25)


async def test_a_killed_writer_leaves_a_chain_with_all_that_it_was_told_is_kept(trail: Trail) -> None:
    for _ in range(2):
        process = subprocess.Popen([sys.executable, "-c", WRITER, trail.url], stdout=subprocess.PIPE, text=True)
        assert process.stdout
        told = [int(process.stdout.readline()) for _ in range(40)]
        process.kill()
        process.wait()
        process.stdout.close()
        kept = {text for _, text in trail.rows()}
        assert {canonical(entry_of(event(number))) for number in told} <= kept
    await trail.sealer.seal()
    assert trail.verify().status == "intact"


async def test_an_appending_transaction_that_is_rolled_back_leaves_no_gap(trail: Trail) -> None:
    await trail.write(1)
    with psycopg.connect(trail.url) as connection:
        connection.execute("select review.audit_append(%s)", (canonical(entry_of(event(99))),))
        connection.rollback()
    await trail.write(1, first=2)
    await trail.sealer.seal()
    assert (trail.verify().status, trail.verify().last) == ("intact", 2)


async def test_nobody_but_the_trail_itself_can_keep_its_writers_waiting(trail: Trail) -> None:
    with psycopg.connect(trail.url, autocommit=True) as other:
        for key in ("review.audit_event", "kb_review_migrate"):
            other.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (key,))
        await trail.write(2)
        migrate(trail.url)  # as worker and gateway do when they start
        for role in ("kb_review_worker", "kb_review_auditor"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), other.transaction():
                other.execute(f"set local role {role}".encode())
                other.execute("lock table review.audit_turn in access share mode")
    await trail.sealer.seal()
    assert (trail.verify().status, trail.verify().last) == ("intact", 2)


async def test_a_trail_of_before_the_turns_goes_on(trail_url: str) -> None:
    with psycopg.connect(trail_url, autocommit=True) as connection:
        connection.execute("drop schema review cascade")
        for number, revision in enumerate(("0003", "head", "head")):
            migrate(trail_url, revision)
            connection.execute("select review.audit_append(%s)", (canonical(entry_of(event(number))),))
        rows = connection.execute("select seq, previous, hash from review.audit_event order by seq").fetchall()
    assert [row[0] for row in rows] == [1, 2, 3]
    assert [row[1] for row in rows] == [bytes(32), *(row[2] for row in rows[:-1])]


def test_the_turns_begin_when_whoever_writes_in_the_old_way_has_ended(trail_url: str) -> None:
    with psycopg.connect(trail_url, autocommit=True) as connection, psycopg.connect(trail_url) as old, ThreadPoolExecutor(1) as beside:
        connection.execute("drop schema review cascade")
        migrate(trail_url, "0003")
        old.execute("select review.audit_append(%s)", (canonical(entry_of(event(0))),))
        migrating = beside.submit(migrate, trail_url)
        waits = "select exists (select from pg_locks where locktype = 'advisory' and not granted and database = (select oid from pg_database where datname = current_database()))"
        try:
            wait_until(lambda: connection.execute(waits).fetchone() == (True,) or migrating.done(), "the migration waits")
            assert not migrating.done()
        finally:
            old.commit()
        migrating.result()
        connection.execute("select review.audit_append(%s)", (canonical(entry_of(event(1))),))
        rows = connection.execute("select seq, previous, hash from review.audit_event order by seq").fetchall()
    assert [row[0] for row in rows] == [1, 2]
    assert rows[1][1] == rows[0][2]


async def test_ten_thousand_rows_are_verified_in_the_memory_of_a_thousand(trail: Trail) -> None:
    small = await _peak(trail, 1000)
    large = await _peak(trail, 10_000)
    assert large < small + 300_000, (small, large)
    assert trail.verify().rows == 10_000


async def _peak(trail: Trail, rows: int) -> int:
    """Return the most bytes that a verification of so many rows holds at once."""
    have = len(trail.rows())
    with psycopg.connect(trail.url) as connection, connection.cursor() as cursor:
        cursor.executemany("select review.audit_append(%s)", [(canonical(entry_of(event(n))),) for n in range(have, rows)])
    await trail.sealer.seal()
    tracemalloc.start()
    assert trail.verify().status == "intact"
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak
