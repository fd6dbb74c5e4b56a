"""From a request to its answer.

    keep      a row in `review.inbound_event`, under the event's id; only then is anything acknowledged
    deliver   an Update of that id, again and again with backoff, until a receipt or a final refusal
    answer    is kept in the row; a refusal is in the audit trail first

Killed at any point, the next process goes on with the row: the review recognises the id, so that ten deliveries have one effect. A
process leases a row for its attempt, and another one takes it over when the lease is over.
"""

import asyncio
import datetime as dt
import hashlib
import json
import logging
from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager, suppress

from temporalio.exceptions import ApplicationError

from kb_review_worker.adapters.fhir.reports import FhirReports
from kb_review_worker.gateway.answers import UNUSABLE, Answer, read_answer, refused
from kb_review_worker.gateway.metrics import ANSWERS, WAITING, WAITING_AGE
from kb_review_worker.gateway.reviews import NAMES, OPERATIONS, PATIENCE, Request, TemporalReviews
from kb_review_worker.gateway.trail import Trail
from kb_review_worker.storage.inbound import Inbound, PostgresInbound
from kb_review_worker.upkeep.duties import Duty, kept_up

LOG = logging.getLogger(__name__)
LEASE = PATIENCE.total_seconds() + 12  # seconds that an attempt has, the database's share included
POLL, AT_ONCE = 1.0, 32
KEPT, TIDY = dt.timedelta(days=30), 3600.0  # how long answers are kept, and the seconds between looks for older ones
LONGEST_WAIT = 300.0  # seconds between two attempts


class Deliveries:
    """Keeps requests and delivers them. `reports` is None where no EHR is configured."""

    def __init__(self, inbound: PostgresInbound, reviews: TemporalReviews, trail: Trail, reports: FhirReports | None) -> None:
        self._inbound, self._reviews, self._trail, self._reports = inbound, reviews, trail, reports
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def keep(self, source: str, review_id: str, request: Request) -> tuple[Inbound, bool, bool]:
        """Keep a request for the loop. Return the event under its id, whether that is new, and whether it is this very request."""
        made = _event(source, review_id, request)
        event, new = await self._inbound.keep(made)
        return event, new, event.fingerprint == made.fingerprint

    async def keep_notice(self, event_id: str) -> bool:
        """Keep the EHR's notice that a Task has a new version; tell whether it is new."""
        _, new = await self._inbound.keep(Inbound(event_id, "fhir", hashlib.sha256(event_id.encode()).digest(), None, None, None))
        return new

    async def submit(self, source: str, review_id: str, request: Request) -> Answer | None:
        """Keep a request and deliver it now; None where the answer takes longer: the loop goes on, and `answer_to` knows it one day.

        Raises:
            AnotherRequest: another request has that id.
        """
        made = _event(source, review_id, request)
        event, new = await self._inbound.keep(made, lease=True)
        if event.fingerprint != made.fingerprint:
            raise AnotherRequest
        if event.answer is not None:
            return read_answer(event.state, event.answer)
        return await self._attempt(event) if new else None

    async def answer_to(self, event_id: str) -> tuple[Inbound, Answer | None] | None:
        """Return an event and its answer, if it has one."""
        event = await self._inbound.event(event_id)
        return (event, read_answer(event.state, event.answer) if event.answer else None) if event else None

    async def deliver(self) -> None:
        """Deliver what is due."""
        while await self._round() == AT_ONCE:
            pass

    async def tidy(self) -> None:
        """Forget answers of long ago."""
        await self._inbound.forget(KEPT)

    async def _round(self) -> int:
        events = await self._inbound.due(AT_ONCE, notices=self._reports is not None)
        await asyncio.gather(*(self._attempt(event) for event in events))
        count, age = await self._inbound.waiting()
        WAITING.set(count)
        WAITING_AGE.set(age)
        return len(events)

    async def _attempt(self, event: Inbound) -> Answer | None:
        async with self._slots:
            try:
                answer = await (self._from_ehr(event) if event.request is None else self._send(event))
                if answer is not None:
                    await self._inbound.answer(event, answer.state, answer.stored)
            except ApplicationError as error:  # the database or the EHR
                LOG.warning("event %s waits: %s", event.event_id, error.message)
                answer = None
            except Exception:  # of another release, or unreadable with the keys at hand: the others do not wait for it
                LOG.exception("event %s waits", event.event_id)
                answer = None
            if answer is None:
                await self._quietly(self._inbound.retry_in(event, min(LONGEST_WAIT, 0.25 * 2 ** min(event.attempts, 16))))
            else:
                ANSWERS.labels(event.source, answer.refusal or answer.state).inc()
                LOG.info("event %s: %s", event.event_id, answer.refusal or answer.state)
            return answer

    async def _send(self, event: Inbound) -> Answer | None:
        assert event.review_id
        assert event.operation
        return await self._deliver(event.review_id, OPERATIONS[event.operation].model_validate(event.request))

    async def _deliver(self, review_id: str, request: Request) -> Answer | None:
        answer = await self._reviews.send(review_id, request)
        if answer is not None:
            await self._trail.answered(review_id, request, answer)
        return answer

    async def _from_ehr(self, event: Inbound) -> Answer | None:
        if self._reports is None:
            raise ApplicationError("no EHR is configured: set KB_REVIEW_FHIR_URL")
        try:
            report = await self._reports.report(event.event_id.split("/")[1])
        except ApplicationError as error:
            if error.non_retryable:
                return refused(UNUSABLE, error.message)
            raise
        if report is None or (report.request is None and not report.problem):
            return Answer("ignored")
        answer = refused(UNUSABLE, report.problem)
        if report.request is not None:
            answer = await self._deliver(report.review_id, report.request)
        else:
            await self._trail.unusable(report.review_id, report.event_id, report.problem)
        if answer and answer.state == "refused" and answer.ending is None:
            await self._reports.reopen(report, answer.message)
        return answer

    async def _quietly(self, work: Awaitable[None]) -> None:
        with suppress(ApplicationError):
            await work


def delivering(deliveries: Deliveries) -> AbstractAsyncContextManager[None]:
    """Deliver meanwhile. What ends the deliveries ends the gateway too: it would acknowledge what it does not deliver."""
    return kept_up([Duty("deliveries", POLL, deliveries.deliver), Duty("tidying of answers", TIDY, deliveries.tidy)])


class AnotherRequest(Exception):
    """An id that was used for another request before."""


def _event(source: str, review_id: str, request: Request) -> Inbound:
    said = request.model_dump(mode="json")
    operation = NAMES[type(request)]
    # not the token's id: the same request, sent again with a fresh token, is the same request
    person = {key: value for key, value in said["reviewer"].items() if key in {"id", "issuer"}}
    content = json.dumps([review_id, operation, said | {"reviewer": person, "decided_at": None}], sort_keys=True)
    return Inbound(request.event_id, source, hashlib.sha256(content.encode()).digest(), review_id, operation, said)


