"""The optional brief."""

import asyncio
from contextlib import suppress

from temporalio import activity
from temporalio.exceptions import ApplicationError

from kb_contracts.cases import ReviewCase
from kb_contracts.outcomes import Brief
from kb_review_worker.ports import BriefWriter

HEARTBEAT = 5.0  # seconds; retries.py allows 20


class BriefActivities:
    """Asks a model for a brief, once an attempt."""

    def __init__(self, writer: BriefWriter | None) -> None:
        self._writer = writer

    @activity.defn
    async def draft_brief(self, case: ReviewCase) -> Brief:
        """Draft a brief. Sends heartbeats, so that a killed worker is noticed and a cancelled review stops paying."""
        if self._writer is None:
            raise ApplicationError("a brief is wanted, but no model is configured: set KB_REVIEW_BRIEF_URL and _MODEL",
                                   type="NoBriefWriter", non_retryable=True)
        beating = asyncio.create_task(_beat())
        try:
            return await self._writer.write(case)
        finally:
            beating.cancel()
            with suppress(asyncio.CancelledError):
                await beating


async def _beat() -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(HEARTBEAT)
