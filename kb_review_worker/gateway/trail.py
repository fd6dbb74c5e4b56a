"""What the gateway tells the audit trail: who signed what, and every attempt that was denied.

A refused Update leaves nothing in Temporal's history, so it is written down here. Attempts without a valid identity are folded, one
entry for each reason, address and minute: a flood cannot fill a trail that nobody may shorten. The metrics count each of them.
"""

import datetime as dt

from kb_contracts.decisions import Claim, Note, Reassignment, ReviewDecision, Reviewer, Verdict
from kb_contracts.workflow_ids import case_of
from kb_review_worker.gateway.answers import Answer
from kb_review_worker.gateway.metrics import DENIED
from kb_review_worker.gateway.reviews import Request
from kb_review_worker.ports import AuditEvent, AuditSink
from kb_review_worker.storage.task_lists import PostgresTaskLists, Task

SIGNATURE = {
    Verdict.APPROVE: "I have reviewed exactly this version and approve it",
    Verdict.REJECT: "I have reviewed exactly this version and reject it",
    Verdict.REQUEST_CHANGES: "I have reviewed exactly this version and ask for changes before it is used",
}
EVENTS = {Claim: "claimed", Reassignment: "reassigned", Note: "noted", ReviewDecision: "signed"}


class Trail:
    """Writes entries about reviews and about attempts."""

    def __init__(self, sink: AuditSink, tasks: PostgresTaskLists) -> None:
        self._sink, self._tasks = sink, tasks

    async def answered(self, review_id: str, request: Request, answer: Answer) -> None:
        """Record what a review accepted or refused."""
        digest = request.digest if isinstance(request, ReviewDecision) else ""
        if answer.state == "accepted" and answer.receipt:
            await self._record(review_id, EVENTS[type(request)], request.event_id, request.reviewer, _meaning(request), answer.receipt.run_id, digest)
        elif answer.state == "refused":
            await self._record(review_id, "denied", request.event_id, request.reviewer, answer.refusal, "", digest)

    async def unusable(self, review_id: str, event_id: str, problem: str) -> None:
        """Record a report of the EHR that could not be used."""
        await self._record(review_id, "denied", event_id, None, problem, "", "")

    async def viewed(self, task: Task, person: Reviewer) -> None:
        """Record that somebody read a case: once for each person, case and day."""
        await self._record(task.review_id, "viewed", _daily(person), person, "", "", task.digest)

    async def hidden(self, task: Task, person: Reviewer, address: str) -> None:
        """Record that somebody may not read a case: as often as `viewed`."""
        await self.denied("ViewNotAllowed", address, event_id=f"view/{_daily(person)}", who=person, review_id=task.review_id)

    async def unsigned(self, task: Task, person: Reviewer, address: str) -> None:
        """Record that a signature lacked its second proof of identity: once a minute for the session's person and the review."""
        folded = f"reauthentication/{person.issuer}/{person.id}/{task.review_id}/{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M}"
        await self.denied("reauthentication", address, event_id=folded, who=person, review_id=task.review_id)

    async def denied(self, reason: str, address: str, *, event_id: str = "", who: Reviewer | None = None, review_id: str = "") -> None:
        """Record an attempt that never reached a review."""
        DENIED.labels(reason).inc()
        now = dt.datetime.now(dt.UTC)
        folded = event_id or f"{reason}/{address}/{now:%Y-%m-%dT%H:%M}"
        await self._record(review_id, "denied", folded, who, reason, "", "", address)

    async def _record(self, review_id: str, name: str, event_id: str, who: Reviewer | None, meaning: str, run_id: str, digest: str,
                      address: str = "") -> None:
        task = await self._tasks.task_of(review_id) if review_id else None
        await self._sink.record(AuditEvent(
            name, review_id, run_id or (task.run_id if task else ""), *(case_of(review_id) or ("", 0)),
            digest or (task.digest if task else ""), dt.datetime.now(dt.UTC), who, meaning, event_id, {"address": address} if address else {},
        ))


def _daily(person: Reviewer) -> str:
    return f"{dt.datetime.now(dt.UTC):%Y-%m-%d}/{person.issuer}/{person.id}"


def _meaning(request: Request) -> str:
    if isinstance(request, ReviewDecision):
        return SIGNATURE[request.verdict]
    return f"to {request.to.id if request.to else 'nobody in particular'}" if isinstance(request, Reassignment) else ""
