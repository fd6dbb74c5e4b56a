"""Histories of ended reviews: Temporal forgets them after its retention, the trail must not."""

import datetime as dt
import gzip
from dataclasses import dataclass, replace

from kb_audit.entries import canonical
from kb_audit.verification import HISTORY_EXPORTED, history_digest
from kb_review_worker.ports import AuditEvent
from kb_review_worker.storage.audit import entry_of
from kb_review_worker.storage.database import Database

ENDED = """select d.review_id, d.run_id, d.knowledge_base, d.case_id, encode(d.digest, 'hex') from decision d
  where not exists (select from history h where h.review_id = d.review_id and h.run_id = d.run_id)
    and not exists (select from audit_event e where e.review_id = d.review_id and e.run_id = d.run_id and e.event = 'history_lost')
    and d.recorded_at > now() - %s order by d.decision_id limit %s"""
OPEN = """select e.review_id, e.run_id, e.knowledge_base, e.case_id, e.body::jsonb ->> 'digest' from audit_event e
  where e.event = 'task_created' and e.recorded_at < now() - %s
    and not exists (select from decision d where d.review_id = e.review_id) order by e.seq"""


@dataclass(frozen=True)
class ReviewRun:
    """A run that the trail or the ledger knows, by ids alone."""

    review_id: str
    run_id: str
    knowledge_base: str
    case_id: int
    digest: str

    def event(self, name: str, at: dt.datetime, meaning: str = "") -> AuditEvent:
        """Return an event of this run."""
        return AuditEvent(name, self.review_id, self.run_id, self.knowledge_base, self.case_id, self.digest, at, meaning=meaning)


class PostgresHistories:
    """Keeps each history once, with its digest in the trail."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def missing(self, within: dt.timedelta, most: int = 200) -> list[ReviewRun]:
        """Return reviews that ended not longer ago than that, and whose history is not kept yet."""
        async with self._database.transaction() as c:
            return [ReviewRun(*row) async for row in await c.execute(ENDED, (within, most))]

    async def open(self, older_than: dt.timedelta) -> list[ReviewRun]:
        """Return reviews that have a task and no outcome, as the trail tells it."""
        async with self._database.transaction() as c:
            return [ReviewRun(*row) async for row in await c.execute(OPEN, (older_than,))]

    async def is_decided(self, review_id: str) -> bool:
        """Tell whether the ledger has an outcome of a review."""
        async with self._database.transaction() as c:
            return await (await c.execute("select from decision where review_id = %s", (review_id,))).fetchone() is not None

    async def keep(self, event: AuditEvent, history: str) -> None:
        """Keep a history of that event's run. The event is recorded in the same transaction, with the digest."""
        content = gzip.compress(history.encode(), mtime=0)
        entry = replace(entry_of(event), event=HISTORY_EXPORTED, details={**event.details, "sha256": history_digest(content)})
        async with self._database.transaction() as c:
            cursor = await c.execute(
                "insert into history (review_id, run_id, content) values (%s, %s, %s) on conflict do nothing returning true",
                (event.review_id, event.run_id, content))
            if await cursor.fetchone():
                await c.execute("select audit_append(%s)", (canonical(entry),))
