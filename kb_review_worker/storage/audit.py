"""The audit trail: entries go in through `review.audit_append`, and nothing changes or takes them out but retention."""

import datetime as dt

from kb_audit.entries import Entry, Person, canonical
from kb_audit.seals import Seal
from kb_review_worker.ports import AuditEvent
from kb_review_worker.storage.database import Database


class PostgresAudit:
    """The trail that `kb audit verify` reads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, event: AuditEvent) -> None:
        """Append an event, once for each identity."""
        async with self._database.transaction() as c:
            await c.execute("select audit_append(%s)", (canonical(entry_of(event)),))


class PostgresSeals:
    """What a sealer needs of the trail."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def head(self) -> tuple[int, bytes] | None:
        """Return number and hash of the last row, unless a seal has it already."""
        async with self._database.transaction() as c:
            cursor = await c.execute(
                """select seq, hash from audit_event e where seq = (select max(seq) from audit_event)
                     and not exists (select from audit_seal s where s.seq = e.seq and s.hash = e.hash)""")
            return await cursor.fetchone()

    async def add(self, made: Seal) -> None:
        """Keep a seal."""
        async with self._database.transaction() as c:
            await c.execute(
                "insert into audit_seal (kind, seq, hash, sealed_at, key_id, signature) values (%s, %s, %s, %s, %s, %s)", _values(made))

    async def last_before(self, time: dt.datetime) -> tuple[int, bytes] | None:
        """Return number and hash of the last row that was recorded before a time; never the last of all."""
        async with self._database.transaction() as c:
            cursor = await c.execute(
                """select seq, hash from audit_event where recorded_at < %s and seq < (select max(seq) from audit_event)
                   order by seq desc limit 1""", (time,))
            return await cursor.fetchone()

    async def expire(self, checkpoint: Seal, note: Entry) -> int:
        """Remove the rows that a checkpoint covers, and say so in the trail: all of it or nothing."""
        async with self._database.transaction() as c:
            await c.execute(
                "insert into audit_seal (kind, seq, hash, sealed_at, key_id, signature) values (%s, %s, %s, %s, %s, %s)", _values(checkpoint))
            cursor = await c.execute("select audit_expire(%s)", (checkpoint.number,))
            row = await cursor.fetchone()
            await c.execute("select audit_append(%s)", (canonical(note),))
        assert row is not None
        return int(row[0])


def _values(made: Seal) -> tuple[object, ...]:
    return made.kind, made.number, made.hash, made.sealed_at, made.key_id, made.signature


def entry_of(event: AuditEvent) -> Entry:
    """Return an event as an entry of the trail."""
    who = event.who
    return Entry(
        event=event.name, at=event.at, review=event.review_id, run=event.run_id, knowledge_base=event.knowledge_base, case=event.case_id,
        digest=event.digest, meaning=event.meaning, event_id=event.event_id, details=event.details,
        who=Person(who.id, who.issuer, who.name, who.roles, who.token_id) if who else None,
    )
