"""Keeps the histories of ended reviews before Temporal forgets them."""

import datetime as dt

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from kb_review_worker.ports import AuditSink
from kb_review_worker.storage.histories import PostgresHistories, ReviewRun

WITHIN = dt.timedelta(days=90)  # Temporal keeps no history longer; a gap older than that is known by then


class HistoryExport:
    """Copies each history once, when its workflow has closed and nothing can be added to it."""

    def __init__(self, client: Client, histories: PostgresHistories, audit: AuditSink) -> None:
        self._client, self._histories, self._audit = client, histories, audit

    async def export(self) -> int:
        """Export what is missing; return how many histories were kept. One that Temporal has lost is said so in the trail."""
        kept = 0
        for run in await self._histories.missing(WITHIN):
            kept += await self._export(run)
        return kept

    async def _export(self, run: ReviewRun) -> bool:
        handle = self._client.get_workflow_handle(run.review_id, run_id=run.run_id)
        try:
            found = await handle.describe()
            if found.status == WorkflowExecutionStatus.RUNNING:
                return False
            history = await handle.fetch_history()
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            await self._audit.record(run.event("history_lost", dt.datetime.now(dt.UTC), "Temporal no longer has it"))
            return False
        await self._histories.keep(run.event("", found.close_time or dt.datetime.now(dt.UTC)), history.to_json())
        return True
