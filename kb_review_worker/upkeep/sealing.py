"""Seals the trail with a key that the database never has, and removes what its time is over for."""

import asyncio
import datetime as dt
import logging
from pathlib import Path

from temporalio.exceptions import ApplicationError

from kb_audit.entries import Entry
from kb_audit.keys import SealingKey
from kb_audit.seals import Seal, append_seal, seal
from kb_review_worker.ports import AuditEvent, AuditSink
from kb_review_worker.storage.audit import PostgresSeals

SEALED_AFTER = frozenset({"ended", "terminated", "lost"})
RETENTION = "retention_applied"
LOG = logging.getLogger("kb_review.audit")


class Sealer:
    """Makes seals: first a line in the file, then a row, so that a seal which the database shows is never only there."""

    def __init__(self, seals: PostgresSeals, key: SealingKey, file: Path | None) -> None:
        self._seals, self._key, self._file = seals, key, file
        self._one_at_a_time = asyncio.Lock()

    async def seal(self) -> int | None:
        """Seal the trail as it stands, and return the number of its last row; None where a seal has it already."""
        async with self._one_at_a_time:
            head = await self._seals.head()
            if head is None:
                return None
            made = seal("seal", *head, dt.datetime.now(dt.UTC), self._key)
            await self._outside(made)
            await self._seals.add(made)
            return made.number

    async def expire(self, keep: dt.timedelta) -> int:
        """Remove the oldest rows, those recorded longer ago than `keep`; return how many. The checkpoint stands for them."""
        now = dt.datetime.now(dt.UTC)
        last = await self._seals.last_before(now - keep)
        if last is None:
            return 0
        made = seal("checkpoint", *last, now, self._key)
        await self._outside(made)
        note = Entry(RETENTION, now, event_id=str(made.number), meaning=f"kept for {keep.days} days", details={"through": made.number, "sha256": made.hash.hex()})
        return await self._seals.expire(made, note)

    async def _outside(self, made: Seal) -> None:
        if self._file:
            await asyncio.to_thread(append_seal, self._file, made)


class SealedAudit:
    """An audit sink that seals the trail whenever a review has ended."""

    def __init__(self, sink: AuditSink, sealer: Sealer) -> None:
        self._sink, self._sealer = sink, sealer

    async def record(self, event: AuditEvent) -> None:
        """Record an event. A seal that fails keeps no review from ending: the next one, at the latest after the interval, has it."""
        await self._sink.record(event)
        if event.name in SEALED_AFTER:
            try:
                await self._sealer.seal()
            except (OSError, ApplicationError):
                LOG.exception("the trail was not sealed")
