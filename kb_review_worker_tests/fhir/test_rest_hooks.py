"""From the EHR's rest-hook to the decision: the hook is believed nothing but that a Task has changed."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from kb_contracts.outcomes import Status
from kb_review_worker.adapters.fhir.client import FhirClient
from kb_review_worker.adapters.fhir.reports import FhirReports
from kb_review_worker.adapters.fhir.tasks import FhirTasks
from kb_review_worker.ports import KnownTask
from kb_review_worker.storage.database import Database
from kb_review_worker_tests.fhir.test_reports import edit, output, person
from kb_review_worker_tests.gateway.gateways import REST_HOOK, Gateway, gateway
from kb_review_worker_tests.made_cases import ROLE, case
from kb_review_worker_tests.reviewing import Handle, reviewing
from kb_review_worker_tests.servers import Server

pytestmark = pytest.mark.anyio


@pytest.fixture
async def running(real: Server, database: Database, client: FhirClient, tasks: FhirTasks, tmp_path: Path) -> AsyncIterator[Gateway]:
    """Yield a gateway before reviews whose tasks are the EHR's."""
    async with reviewing(real, database, tasks=tasks) as reviews, gateway(reviews, tmp_path, FhirReports(client)) as made:
        yield made


async def _waiting(running: Gateway, http: httpx.AsyncClient) -> tuple[Handle, KnownTask]:
    handle = await running.reviews.start(case())
    state = await running.reviews.until(handle, lambda found: found.phase == "waiting")
    while "restriction" not in (await http.get(f"/Task/{state.task.id}")).json():  # its due time is set beside the waiting
        await asyncio.sleep(0.02)
    return handle, KnownTask(handle.id, state.task)


async def _hook(running: Gateway, task: dict[str, Any]) -> httpx.Response:
    told = {"Authorization": f"Bearer {REST_HOOK}", "Content-Type": "application/fhir+json"}
    return await running.http.put(f"/webhooks/fhir/Task/{task['id']}", json=task, headers=told)


async def test_a_decision_in_the_ehr_delivered_ten_times_has_one_effect(running: Gateway, http: httpx.AsyncClient) -> None:
    handle, known = await _waiting(running, http)
    who = await person(http, ROLE)
    task = await edit(http, known, status="completed", owner={"reference": who}, output=output(verdict="reject", reason="blurred"))
    forged = task | {"owner": {"reference": "Practitioner/somebody-else"}, "output": output(verdict="approve")}
    answers = await asyncio.gather(*(_hook(running, each) for each in [forged, *[task] * 9]))
    assert {answer.status_code for answer in answers} == {202}
    assert sum(not answer.json()["known"] for answer in answers) == 1
    outcome = await handle.result()
    assert (outcome.status, outcome.state.decision.reason) == (Status.REJECTED, "blurred")
    assert outcome.state.decision.reviewer.id == who.removeprefix("Practitioner/")
    event_id = f"Task/{task['id']}/_history/{task['meta']['versionId']}"
    assert (outcome.state.decision.event_id, (await running.answered(event_id))[0]) == (event_id, "accepted")
    signed = await running.reviews.rows("select knowledge_base, case_id from audit_event where event = 'signed' and review_id = %s", handle.id)
    assert signed == [(outcome.case.knowledge_base, outcome.case.case_id)]


async def test_a_decision_without_the_role_is_refused_and_its_task_opened_again(running: Gateway, http: httpx.AsyncClient) -> None:
    handle, known = await _waiting(running, http)
    who = await person(http, "porter")
    task = await edit(http, known, status="completed", owner={"reference": who}, output=output(verdict="approve"))
    await _hook(running, task)
    state, answer = await running.answered(f"Task/{task['id']}/_history/{task['meta']['versionId']}")
    assert (state, answer["refusal"]) == ("refused", "ReviewerNotAllowed")
    assert (who.removeprefix("Practitioner/"), handle.id) in await running.denied("ReviewerNotAllowed")
    assert (await http.get(f"/Task/{task['id']}")).json()["status"] == "requested"
    assert (await running.reviews.state(handle)).decision is None


async def test_a_task_that_is_none_of_ours_is_ignored(running: Gateway, http: httpx.AsyncClient) -> None:
    other = (await http.post("/Task", json={"resourceType": "Task", "status": "requested", "intent": "order"})).json()
    await _hook(running, other)
    assert (await running.answered(f"Task/{other['id']}/_history/{other['meta']['versionId']}"))[0] == "ignored"
