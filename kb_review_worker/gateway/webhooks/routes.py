"""What other systems report. A notice is kept before it is acknowledged with 202; what follows is `deliveries.py`'s.

- `/webhooks/decisions` takes decisions of front ends that sign what they send. The person is in `reviewer_token`, an access token of the
  identity provider: never in the body's own words.
- `/webhooks/fhir` takes an R4 rest-hook, which has neither signature nor event id: a shared secret lets it in, the id is the Task's
  version, and all else is read from the EHR with our own credentials.
"""

import datetime as dt
import hmac
import json
import re
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, ValidationError

from kb_contracts.decisions import ReviewDecision, Verdict
from kb_contracts.message import Digest, Text, Time
from kb_review_worker.gateway.identity.oidc import TokenRefused
from kb_review_worker.gateway.problems import Problem
from kb_review_worker.gateway.services import Services, ServicesOf, address_of
from kb_review_worker.gateway.webhooks.signatures import SignatureRefused, Signed, check

router = APIRouter(prefix="/webhooks", tags=["webhooks"])
FHIR_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


class SentDecision(BaseModel):
    """A decision as a front end sends it."""

    review: str = Field(min_length=1, max_length=500, description="The review's id, as its task names it.")
    verdict: Verdict
    digest: Digest
    reason: Text = ""
    reviewer_token: str = Field(max_length=20_000, description="The reviewer's access token.")
    decided_at: Time | None = None


class Kept(BaseModel):
    """An acknowledgement."""

    event_id: str
    known: bool = Field(description="Whether this event had been kept before.")


@router.post("/decisions", status_code=202)
async def take_decision(request: Request, services: ServicesOf) -> Kept:
    """Take a signed decision (Standard Webhooks)."""
    body = await _body(request, "application/json")
    signed = await _signed(request, body, services)
    try:
        sent = SentDecision.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise Problem(422, "Not understood", f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    try:
        person = await services.identity.of_token(sent.reviewer_token)
    except TokenRefused as error:
        await services.trail.denied("reviewer_token", address_of(request), review_id=sent.review)
        raise Problem(401, "The reviewer's token is refused", str(error)) from None
    decision = ReviewDecision(event_id=f"webhook/{signed.id}", verdict=sent.verdict, reviewer=person, digest=sent.digest, reason=sent.reason,
                              decided_at=sent.decided_at or signed.sent_at)
    event, new, same = await services.deliveries.keep("webhook", sent.review, decision)
    if not same:
        await services.trail.denied("replayed", address_of(request), event_id=f"conflict/{event.event_id}", who=person, review_id=sent.review)
        raise Problem(409, "Another event has this id", "an event's id is its own: send a new event under a new one")
    return Kept(event_id=event.event_id, known=not new)


async def _signed(request: Request, body: bytes, services: Services) -> Signed:
    if not services.webhook_secrets:
        raise Problem(404, "No signed webhooks are taken here", "KB_REVIEW_WEBHOOK_SECRETS is unset")
    try:
        return check(request.headers, body, services.webhook_secrets, dt.datetime.now(dt.UTC), dt.timedelta(seconds=services.settings.webhook_window))
    except SignatureRefused as refusal:
        await services.trail.denied(str(refusal), address_of(request))
        raise Problem(401, "The signature is refused", str(refusal)) from None


@router.post("/fhir", status_code=202)
@router.put("/fhir/{rest:path}", status_code=202, include_in_schema=False)  # to where R4 servers send resources: .../Task/{id}
async def take_notice(request: Request, services: ServicesOf) -> Kept:
    """Take a rest-hook of a FHIR R4 Subscription to Task, with payload `application/fhir+json`."""
    expected = services.settings.fhir_webhook_secret
    if expected is None:
        raise Problem(404, "No rest-hooks are taken here", "KB_REVIEW_FHIR_WEBHOOK_SECRET is unset")
    given = request.headers.get("authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {expected.get_secret_value()}".encode()):
        await services.trail.denied("forged" if given else "unsigned", address_of(request))
        raise Problem(401, "The secret is refused", "expected the header `Authorization: Bearer <secret>` of the Subscription's channel")
    body = await _body(request, "application/fhir+json", "application/json")
    task_id, version = _task(body)
    event_id = f"Task/{task_id}/_history/{version}"
    return Kept(event_id=event_id, known=not await services.deliveries.keep_notice(event_id))


def _task(body: bytes) -> tuple[str, str]:
    """Return id and version of a Task. Nothing else of it is believed, and so nothing else is read."""
    try:
        task: Any = json.loads(body)
        found = (task["id"], task["meta"]["versionId"]) if task["resourceType"] == "Task" else ("", "")
    except (ValueError, KeyError, TypeError):
        found = ("", "")
    if not all(isinstance(part, str) and FHIR_ID.fullmatch(part) for part in found):
        raise Problem(422, "Not understood", "expected a Task with id and meta.versionId: give the Subscription's channel a payload")
    return found


async def _body(request: Request, *kinds: str) -> bytes:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in kinds:
        raise Problem(415, "Another content type is expected", " or ".join(kinds))
    return await request.body()
