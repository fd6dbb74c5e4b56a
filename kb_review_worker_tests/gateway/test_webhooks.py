"""Webhooks are kept before they are acknowledged, have one effect however often they come, and none when they are not what they seem."""

import asyncio
import json
import secrets
import time
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from kb_contracts.cases import ReviewCase
from kb_contracts.outcomes import Status
from kb_review_worker.gateway.reviews import TemporalReviews
from kb_review_worker.storage.database import Database
from kb_review_worker_tests.gateway.gateways import REST_HOOK, Gateway, gateway
from kb_review_worker_tests.gateway.issuers import AUDIENCE, Issuer, issuing
from kb_review_worker_tests.made_cases import ROLE, case, decision
from kb_review_worker_tests.reviewing import Reviews, reviewing
from kb_review_worker_tests.servers import Server

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def issuer():
    """Yield an issuer of tokens."""
    with issuing() as running:
        yield running


@pytest.fixture(scope="module")
async def signed(anyio_backend: str, real: Server, database: Database, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory):
    """Yield a gateway that knows people by the issuer's tokens."""
    told = {"local_reviewers": None, "oidc_issuer": issuer.url, "oidc_client_id": "gateway", "oidc_audience": AUDIENCE}
    async with reviewing(real, database) as reviews, gateway(reviews, tmp_path_factory.mktemp("signed"), **told) as running:
        yield running


def _body(about: ReviewCase, review: str, token: str, **more: Any) -> dict[str, Any]:
    return {"review": review, "verdict": "approve", "digest": about.digest, "reviewer_token": token} | more


async def test_a_webhook_delivered_ten_times_has_one_effect(signed: Gateway, issuer: Issuer) -> None:
    about, handle, _ = await signed.waiting()
    body, id_ = _body(about, handle.id, issuer.token("dr.web", ROLE)), secrets.token_hex(8)
    first = await signed.webhook(body, id_=id_)
    rest = await asyncio.gather(*(signed.webhook(_body(about, handle.id, issuer.token("dr.web", ROLE)), id_=id_) for _ in range(9)))
    assert (first.status_code, first.json()["known"]) == (202, False)
    assert {(answer.status_code, answer.json()["known"]) for answer in rest} == {(202, True)}
    assert (await handle.result()).status == Status.APPROVED
    assert (await signed.answered(f"webhook/{id_}"))[0] == "accepted"
    assert len(await signed.reviews.rows("select 1 from decision where review_id = %s", handle.id)) == 1
    accepted = [e for e in (await handle.fetch_history()).events if e.HasField("workflow_execution_update_accepted_event_attributes")]
    assert len(accepted) == 1
    who = await signed.reviews.rows("select reviewer_id, reviewer_issuer, event_id from decision where review_id = %s", handle.id)
    assert who == [("dr.web", issuer.url, f"webhook/{id_}")]


async def test_what_is_forged_unsigned_or_from_another_time_is_refused_and_recorded(signed: Gateway, issuer: Issuer) -> None:
    about, handle, _ = await signed.waiting()
    body = _body(about, handle.id, issuer.token("dr.web", ROLE))
    refused = {
        "forged": await signed.webhook(body, id_="one", secret=bytes(32)),
        "unsigned": await signed.webhook(body, id_="two", **{"webhook-signature": ""}),
        "replayed": await signed.webhook(body, id_="three", at=time.time() - 600),
        "malformed": await signed.webhook(body, id_="four", **{"webhook-timestamp": "yesterday"}),
    }
    assert {answer.status_code for answer in refused.values()} == {401}
    for reason in refused:
        assert await signed.denied(reason)
    later = await signed.webhook(body, id_="five", at=time.time() + 600)
    assert (later.status_code, later.json()["detail"]) == (401, "replayed")
    assert not await signed.reviews.rows("select 1 from inbound_event where review_id = %s", handle.id)


async def test_a_flood_of_forgeries_is_one_entry_a_minute(signed: Gateway) -> None:
    before = len(await signed.denied("forged"))
    began = time.time() // 60
    await asyncio.gather(*(signed.webhook({}, id_=str(n), secret=bytes(32)) for n in range(30)))
    assert len(await signed.denied("forged")) - before <= 1 + (time.time() // 60 - began)


async def test_an_id_belongs_to_one_event(signed: Gateway, issuer: Issuer) -> None:
    about, handle, _ = await signed.waiting()
    token, id_ = issuer.token("dr.web", ROLE), secrets.token_hex(8)
    assert (await signed.webhook(_body(about, handle.id, token), id_=id_)).status_code == 202
    other = await signed.webhook(_body(about, handle.id, token, verdict="reject", reason="no"), id_=id_)
    assert (other.status_code, other.json()["title"]) == (409, "Another event has this id")
    assert ("dr.web", handle.id) in await signed.denied("replayed")
    assert (await handle.result()).status == Status.APPROVED


@pytest.mark.parametrize("forged", [
    {"issuer": "https://elsewhere.example"}, {"audience": "another"}, {"expires_in": -60}, {"key": "another"}, {"algorithm": "HS256"},
    {"algorithm": "none"},
])
async def test_a_person_is_who_a_valid_token_says(signed: Gateway, issuer: Issuer, forged: dict[str, Any]) -> None:
    about, handle, _ = await signed.waiting()
    answer = await signed.webhook(_body(about, handle.id, issuer.token("dr.web", ROLE, **forged)), id_=secrets.token_hex(8))
    assert (answer.status_code, answer.json()["title"]) == (401, "The reviewer's token is refused")
    assert (None, handle.id) in await signed.denied("reviewer_token")
    api = await signed.api("GET", "/cases", who=None, Authorization=f"Bearer {issuer.token('dr.web', ROLE, **forged)}")
    assert api.status_code == 401


async def test_a_token_opens_the_rest_interface(signed: Gateway, issuer: Issuer) -> None:
    _, _, task = await signed.waiting()
    told = {"Authorization": f"Bearer {issuer.token('dr.web', ROLE)}"}
    assert (await signed.api("GET", f"/cases/{task}", who=None, **told)).status_code == 200
    basic = await signed.api("GET", f"/cases/{task}")
    assert basic.status_code == 401


async def test_wrong_roles_stale_versions_and_strangers_are_refused_once_delivered(signed: Gateway, issuer: Issuer) -> None:
    about, handle, _ = await signed.waiting()
    sent = {
        "ReviewerNotAllowed": _body(about, handle.id, issuer.token("nurse", "nurse")),
        "AuthorMayNotReview": _body(about, handle.id, issuer.token("dr.author", ROLE)),
        "StaleSubject": _body(about, handle.id, issuer.token("dr.web", ROLE), digest="0" * 64),
        "UnknownReview": _body(about, "review/x/handbook/1/20261125T081500.250000Z/00", issuer.token("dr.web", ROLE)),
    }
    ids = {refusal: secrets.token_hex(8) for refusal in sent}
    for refusal, body in sent.items():
        assert (await signed.webhook(body, id_=ids[refusal])).status_code == 202
    for refusal, id_ in ids.items():
        state, answer = await signed.answered(f"webhook/{id_}")
        assert (state, answer["refusal"]) == ("refused", refusal)
        assert await signed.denied(refusal)
    assert (await signed.reviews.state(handle)).decision is None


async def test_what_came_before_the_task_waits_for_it(signed: Gateway, real: Server, database: Database, issuer: Issuer, tmp_path: Path) -> None:
    """The review has no task as long as its worker is not there: the event is kept, and delivered when it is."""
    queue = Reviews(real, database, "a-queue-that-nobody-polls-yet")
    about = case()
    handle = await queue.start(about)
    id_ = secrets.token_hex(8)
    assert (await signed.webhook(_body(about, handle.id, issuer.token("dr.web", ROLE)), id_=id_)).status_code == 202
    await asyncio.sleep(0.5)
    assert (await queue.rows("select state from inbound_event where event_id = %s", f"webhook/{id_}")) == [("waiting",)]
    async with reviewing(real, database, queue=queue.queue):
        assert (await handle.result()).status == Status.APPROVED
    assert (await signed.answered(f"webhook/{id_}"))[0] == "accepted"


async def test_an_event_that_another_process_left_behind_is_delivered(signed: Gateway, issuer: Issuer) -> None:
    """As after a kill: the row is there, its lease is over, and its process is not."""
    about, handle, _ = await signed.waiting()
    id_ = f"webhook/{secrets.token_hex(8)}"
    request = {"event_id": id_, "verdict": "approve", "digest": about.digest, "reviewer": {"id": "dr.web", "issuer": issuer.url, "roles": [ROLE]}}
    async with signed.reviews.database.transaction() as c:
        await c.execute("""insert into inbound_event (event_id, source, fingerprint, review_id, operation, request, attempts, next_attempt)
                           values (%s, 'webhook', '', %s, 'decide', %s::jsonb, 3, now())""", (id_, handle.id, json.dumps(request)))
    assert (await handle.result()).status == Status.APPROVED
    assert (await signed.answered(id_))[0] == "accepted"


async def test_the_rest_hook_needs_its_secret_and_a_task(local: Gateway) -> None:
    task = {"resourceType": "Task", "id": "abc", "meta": {"versionId": "2"}}
    told = {"Authorization": f"Bearer {REST_HOOK}", "Content-Type": "application/fhir+json"}
    assert (await local.http.put("/webhooks/fhir/Task/abc", json=task)).status_code == 401
    assert (await local.http.post("/webhooks/fhir", json=task, headers=told | {"Authorization": "Bearer no"})).status_code == 401
    assert (await local.http.post("/webhooks/fhir", json=task, headers=told | {"Content-Type": "text/plain"})).status_code == 415
    assert (await local.http.post("/webhooks/fhir", json=task | {"meta": {}}, headers=told)).status_code == 422
    assert (await local.http.post("/webhooks/fhir", content=b"[", headers=told)).status_code == 422
    for known in (False, True):
        kept = await local.http.put("/webhooks/fhir/Task/abc", json=task, headers=told)
        assert (kept.status_code, kept.json()) == (202, {"event_id": "Task/abc/_history/2", "known": known})


async def test_a_namespace_that_is_not_there_is_no_answer(signed: Gateway, real: Server) -> None:
    """A gateway that looks into the wrong namespace must not refuse what the right one would take."""
    about, handle, _ = await signed.waiting()
    lost = await Client.connect(real.client.service_client.config.target_host, namespace="elsewhere", data_converter=real.client.data_converter)
    reviews = TemporalReviews(lost, signed.services.tasks)
    assert await reviews.send(handle.id, decision(about)) is None
    assert await reviews.state(handle.id) is None
