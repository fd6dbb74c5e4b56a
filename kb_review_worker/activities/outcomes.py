"""The way back to the knowledge base."""

from temporalio import activity

from kb_contracts.outcomes import Outcome
from kb_review_worker.activities.audit import event_of
from kb_review_worker.ports import AuditSink, DecisionLedger


class OutcomeActivities:
    """Writes down how a review ended."""

    def __init__(self, ledger: DecisionLedger, audit: AuditSink) -> None:
        self._ledger, self._audit = ledger, audit

    @activity.defn
    async def record_outcome(self, outcome: Outcome) -> None:
        """Record the outcome where the platform reads it."""
        await self._ledger.record(outcome)
        decision = outcome.state.decision
        await self._audit.record(event_of(
            "ended", outcome.case, outcome.ended_at, who=decision.reviewer if decision else None, meaning=outcome.status.value,
        ))
