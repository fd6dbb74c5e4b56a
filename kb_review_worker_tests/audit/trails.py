"""Writes trails, and tampers with them as a superuser can."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import psycopg

from kb_audit.chain import link
from kb_audit.keys import PublicKeys, SealingKey, read_public_keys
from kb_audit.reading import verify_database
from kb_audit.verification import Verdict
from kb_review_worker.ports import AuditEvent
from kb_review_worker.storage.audit import PostgresAudit, PostgresSeals
from kb_review_worker.storage.database import Database
from kb_review_worker.upkeep.sealing import Sealer
from kb_review_worker_tests.made_cases import reviewer

AT = dt.datetime(2026, 11, 25, 8, 15, 0, 250_000, tzinfo=dt.UTC)


def event(number: int, name: str = "noted") -> AuditEvent:
    """Return an event that is like no other."""
    return AuditEvent(name, f"review/{number}", f"run-{number}", "handbook", number % 7, f"{number:064x}", AT, reviewer(f"dr.{number % 5}"),
                      meaning="I have read it, and approve it: äöü \u2028 \"quoted\"", event_id=f"e{number}")


@dataclass
class Trail:
    """A trail, its sealer, and hands that may not touch it."""

    url: str
    database: Database
    key: SealingKey
    file: Path

    @property
    def sealer(self) -> Sealer:
        return Sealer(PostgresSeals(self.database), self.key, self.file)

    @property
    def public_keys(self) -> PublicKeys:
        return read_public_keys(self.key.public)

    async def write(self, count: int, first: int = 1) -> None:
        """Record events."""
        audit = PostgresAudit(self.database)
        for number in range(first, first + count):
            await audit.record(event(number))

    def verify(self, *, with_file: bool = True, keys: PublicKeys | None = None) -> Verdict:
        """Verify it, as the command does."""
        return verify_database(self.url, self.public_keys if keys is None else keys, self.file if with_file else None)

    def tamper(self, *statements: str) -> None:
        """Do what a superuser can: switch off the guards, change rows, switch them on again."""
        with psycopg.connect(self.url, options="-c search_path=review") as connection:
            for table in ("audit_event", "audit_seal", "history"):
                connection.execute(f"alter table {table} disable trigger all")
            for statement in statements:
                connection.execute(statement.encode())
            for table in ("audit_event", "audit_seal", "history"):
                connection.execute(f"alter table {table} enable trigger all")

    def forge(self, number: int, last: int = 1_000_000) -> None:
        """Write the hashes from a row to another anew, so that each fits its content."""
        with psycopg.connect(self.url, options="-c search_path=review") as connection:
            connection.execute("alter table audit_event disable trigger all")
            before = connection.execute("select hash from audit_event where seq = %s", (number - 1,)).fetchone()
            previous = before[0] if before else bytes(32)
            for seq, recorded_at, body in connection.execute(
                "select seq, recorded_at, body from audit_event where seq between %s and %s order by seq", (number, last)).fetchall():
                digest = link(seq, previous, recorded_at, body)
                connection.execute("update audit_event set previous = %s, hash = %s where seq = %s", (previous, digest, seq))
                previous = digest
            connection.execute("alter table audit_event enable trigger all")

    def rows(self) -> list[tuple[int, str]]:
        """Return numbers and texts."""
        with psycopg.connect(self.url) as connection:
            return connection.execute("select seq, body from review.audit_event order by seq").fetchall()
