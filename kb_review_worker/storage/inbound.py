"""Requests to reviews: kept before they are acknowledged, leased to a delivery, answered once."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from kb_review_worker.storage.database import Database

COLUMNS = "event_id, source, fingerprint, review_id, operation, request, state, answer, attempts, received_at, answered_at"
LEASE = """next_attempt = now() + make_interval(secs => %(lease)s + least(300, power(2, least(attempts, 10)))), attempts = attempts + 1"""


@dataclass(frozen=True)
class Inbound:
    """An event as it is kept. `request` is None where the EHR is read for it."""

    event_id: str
    source: str
    fingerprint: bytes
    review_id: str | None
    operation: str | None
    request: dict[str, Any] | None
    state: str = "waiting"
    answer: dict[str, Any] | None = None
    attempts: int = 0
    received_at: dt.datetime | None = None
    answered_at: dt.datetime | None = None


class PostgresInbound:
    """The rows of `review.inbound_event`. `lease` is how many seconds one attempt may take before another one begins."""

    def __init__(self, database: Database, lease: float) -> None:
        self._database, self._lease = database, lease

    async def keep(self, event: Inbound, *, lease: bool = False) -> tuple[Inbound, bool]:
        """Keep an event, and return the one that is kept under its id, and whether it is new. `lease`: it is delivered by the caller."""
        async with self._database.transaction() as c, c.cursor(row_factory=class_row(Inbound)) as cursor:
            await cursor.execute(
                f"""insert into inbound_event (event_id, source, fingerprint, review_id, operation, request, attempts, next_attempt)
                    values (%s, %s, %s, %s, %s, %s, %s, now() + make_interval(secs => %s)) on conflict do nothing returning {COLUMNS}""",
                (event.event_id, event.source, event.fingerprint, event.review_id, event.operation,
                 Jsonb(event.request) if event.request is not None else None, int(lease), self._lease if lease else 0.0))
            made = await cursor.fetchone()
            if made is None:
                await cursor.execute(f"select {COLUMNS} from inbound_event where event_id = %s", (event.event_id,))
                found = await cursor.fetchone()
                assert found is not None
                return found, False
        return made, True

    async def event(self, event_id: str) -> Inbound | None:
        """Return an event."""
        async with self._database.transaction() as c, c.cursor(row_factory=class_row(Inbound)) as cursor:
            return await (await cursor.execute(f"select {COLUMNS} from inbound_event where event_id = %s", (event_id,))).fetchone()

    async def due(self, most: int, *, notices: bool) -> list[Inbound]:
        """Lease the events whose next attempt is due: each attempt puts the next one further off, up to five minutes.

        Without `notices`, those for which the EHR is read are left to a gateway that can read it.
        """
        async with self._database.transaction() as c, c.cursor(row_factory=class_row(Inbound)) as cursor:
            await cursor.execute(
                f"""update inbound_event set {LEASE} where event_id in (select event_id from inbound_event
                      where state = 'waiting' and next_attempt <= now() and (%(notices)s or request is not null) order by next_attempt limit %(most)s for update skip locked)
                    returning {COLUMNS}""", {"lease": self._lease, "most": most, "notices": notices})
            return await cursor.fetchall()

    async def retry_in(self, event: Inbound, seconds: float) -> None:
        """Let the next attempt begin sooner: this one is over, and had no answer."""
        async with self._database.transaction() as c:
            await c.execute("update inbound_event set next_attempt = now() + make_interval(secs => %s) where event_id = %s and state = 'waiting'",
                            (seconds, event.event_id))

    async def answer(self, event: Inbound, state: str, answer: dict[str, Any]) -> None:
        """Keep the answer; the first one stays."""
        async with self._database.transaction() as c:
            await c.execute(
                """update inbound_event set state = %s, answer = %s, answered_at = now() where event_id = %s and state = 'waiting'""",
                (state, Jsonb(answer), event.event_id))

    async def waiting(self) -> tuple[int, float]:
        """Return how many events wait for an answer, and the age of the oldest in seconds."""
        async with self._database.transaction() as c:
            row = await (await c.execute(
                """select count(*), coalesce(extract(epoch from now() - min(received_at)), 0)::float from inbound_event
                   where state = 'waiting'""")).fetchone()
        assert row is not None
        return row[0], row[1]

    async def forget(self, answered_before: dt.timedelta) -> None:
        """Remove answered events of long ago: the trail and the ledger keep what they led to, and Temporal its own memory of their ids."""
        async with self._database.transaction() as c:
            await c.execute("delete from inbound_event where answered_at < now() - %s", (answered_before,))
