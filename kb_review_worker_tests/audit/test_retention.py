"""What its time is over for leaves from the old end alone, and a signed checkpoint stands for it."""

import datetime as dt

import psycopg
import pytest
from psycopg import errors

from kb_review_worker.storage.histories import PostgresHistories
from kb_review_worker_tests.audit.trails import Trail, event

pytestmark = pytest.mark.anyio
SIX_YEARS = dt.timedelta(days=2192)


async def aged(trail: Trail, old: int, young: int) -> None:
    """Write a trail whose first rows were recorded seven years ago."""
    await trail.write(old)
    await PostgresHistories(trail.database).keep(event(1, "ended"), '{"events": []}')
    trail.tamper(f"update audit_event set recorded_at = recorded_at - interval '7 years' where seq <= {old + 1}")
    trail.forge(1)
    await trail.write(young, first=old + 1)


async def test_old_rows_leave_with_their_histories_and_the_trail_still_holds(trail: Trail) -> None:
    await aged(trail, old=10, young=5)
    assert await trail.sealer.expire(SIX_YEARS) == 11
    await trail.sealer.seal()
    verdict = trail.verify()
    assert (verdict.status, verdict.first, verdict.last, verdict.rows) == ("intact", 12, 17, 6)
    with psycopg.connect(trail.url) as connection:
        assert connection.execute("select count(*) from review.history").fetchone() == (0,)
    assert '"event":"retention_applied"' in trail.rows()[-1][1]
    assert await trail.sealer.expire(SIX_YEARS) == 0


async def test_rows_removed_without_a_checkpoint_or_beyond_it_are_missed(trail: Trail) -> None:
    await aged(trail, old=10, young=5)
    await trail.sealer.expire(SIX_YEARS)
    trail.tamper("delete from audit_event where seq = 12")
    verdict = trail.verify()
    assert (verdict.status, verdict.broken and verdict.broken.number) == ("broken", 1), verdict


async def test_a_checkpoint_that_another_key_signed_covers_nothing(trail: Trail) -> None:
    await aged(trail, old=10, young=5)
    await trail.sealer.expire(SIX_YEARS)
    trail.file.unlink()
    trail.tamper("update audit_seal set signature = sha256('a') || sha256('b') where kind = 'checkpoint'")
    verdict = trail.verify(with_file=False)
    assert (verdict.status, verdict.broken and verdict.broken.number) == ("broken", 1), verdict


async def test_the_database_refuses_to_let_young_rows_go(trail: Trail) -> None:
    await trail.write(5)
    with pytest.raises(Exception, match="23001|Restrict"):
        await trail.sealer.expire(dt.timedelta(0))
    assert len(trail.rows()) == 5
    with psycopg.connect(trail.url) as connection, pytest.raises(errors.RestrictViolation):
        connection.execute("select review.audit_expire(5)")


async def test_the_last_row_never_leaves(trail: Trail) -> None:
    await trail.write(3)
    trail.tamper("update audit_event set recorded_at = recorded_at - interval '7 years'")
    trail.forge(1)
    assert await trail.sealer.expire(SIX_YEARS) == 2
    await trail.sealer.seal()
    assert (trail.verify().status, trail.verify().first) == ("intact", 3)
