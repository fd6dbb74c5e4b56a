"""One event that cannot be delivered keeps no other waiting."""

import asyncio
import secrets

import pytest

from kb_contracts.names import UpdateName
from kb_review_worker_tests.gateway.gateways import Gateway
from kb_review_worker_tests.made_cases import decision

pytestmark = pytest.mark.anyio
KEPT = """insert into inbound_event (event_id, source, fingerprint, review_id, operation, request, attempts)
  values (%s, 'webhook', '', %s, %s, %s::jsonb, %s) returning event_id"""
FOUND = "select state, attempts, next_attempt <= now() + interval '300 seconds' from inbound_event where event_id = %s"


@pytest.mark.parametrize(("operation", "request_"), [
    pytest.param("of_another_release", "{}", id="an operation that is not known"),
    pytest.param(UpdateName.DECIDE.value, '{"event_id": "e"}', id="a request that cannot be read"),
])
@pytest.mark.parametrize("attempts", [0, 5000])
async def test_an_event_that_cannot_be_delivered_keeps_no_other_waiting(local: Gateway, operation: str, request_: str, attempts: int) -> None:
    about, handle, _ = await local.waiting()
    stuck = f"stuck/{secrets.token_hex(8)}"
    await local.reviews.rows(KEPT, stuck, handle.id, operation, request_, attempts)
    while not ((found := (await local.reviews.rows(FOUND, stuck))[0])[1] > attempts and found[2]):  # a lease of 5,000 is longer: the attempt is over
        await asyncio.sleep(0.05)
    assert found[0] == "waiting"
    made = decision(about)
    await local.reviews.rows(KEPT, made.event_id, handle.id, UpdateName.DECIDE.value, made.model_dump_json(), 0)
    assert (await local.answered(made.event_id))[0] == "accepted"
    await local.reviews.rows("delete from inbound_event where event_id = %s returning 1", stuck)
