"""How reviews ended: rows of `review.decision`, which are written once and never change. The platform reads them."""

from temporalio.exceptions import ApplicationError

from kb_contracts.outcomes import Outcome
from kb_review_worker.storage.database import Database


class PostgresDecisions:
    """One row a review."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, outcome: Outcome) -> None:
        """Insert the outcome; the same one again changes nothing.

        Raises:
            ApplicationError: not retryable, of type KbConflict: this review has ended otherwise before.
        """
        async with self._database.transaction() as c:
            await c.execute(
                """insert into decision (review_id, run_id, knowledge_base, case_id, kind, digest, status, event_id, reviewer_issuer,
                     reviewer_id, reviewer_name, token_id, reason, decided_at, ended_at)
                   values (%(review_id)s, %(run_id)s, %(knowledge_base)s, %(case_id)s, %(kind)s, decode(%(digest)s, 'hex'), %(status)s,
                     %(event_id)s, %(reviewer_issuer)s, %(reviewer_id)s, %(reviewer_name)s, %(token_id)s, %(reason)s, %(decided_at)s,
                     %(ended_at)s)
                   on conflict (review_id) do nothing""", _row(outcome))
            cursor = await c.execute("select run_id, status, event_id from decision where review_id = %s", (outcome.workflow_id,))
            found = await cursor.fetchone()
        wanted = (outcome.run_id, outcome.status.value, outcome.state.decision.event_id if outcome.state.decision else None)
        if found != wanted:
            raise ApplicationError("the ledger holds another outcome of this review: compare review.decision with the workflow's history",
                                   type="KbConflict", non_retryable=True)


def _row(outcome: Outcome) -> dict[str, object]:
    case, decision = outcome.case, outcome.state.decision
    reviewer = decision.reviewer if decision else None
    return {
        "review_id": outcome.workflow_id, "run_id": outcome.run_id, "knowledge_base": case.knowledge_base, "case_id": case.case_id,
        "kind": case.kind, "digest": case.digest, "status": outcome.status.value, "ended_at": outcome.ended_at,
        "event_id": decision.event_id if decision else None, "reason": decision.reason if decision else _why(outcome),
        "decided_at": decision.decided_at if decision else None,
        "reviewer_issuer": reviewer.issuer if reviewer else None, "reviewer_id": reviewer.id if reviewer else None,
        "reviewer_name": reviewer.name if reviewer else None, "token_id": reviewer.token_id if reviewer else None,
    }


def _why(outcome: Outcome) -> str:
    return outcome.state.withdrawal.reason if outcome.state.withdrawal else ""
