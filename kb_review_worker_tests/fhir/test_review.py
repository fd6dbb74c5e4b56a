"""A whole review through the EHR: the Task is made, a person completes it there, the review ends, and the trail holds."""

import asyncio

import httpx
import pytest
from temporalio.client import WorkflowHandle

from kb_contracts.cases import ReviewCase
from kb_contracts.decisions import ReviewDecision
from kb_contracts.outcomes import Outcome, Phase, Status
from kb_review_worker.adapters.fhir.client import FhirClient
from kb_review_worker.adapters.fhir.reports import FhirReports, TaskReport
from kb_review_worker.adapters.fhir.tasks import FhirTasks
from kb_review_worker.storage.database import Database
from kb_review_worker_tests.fhir.test_reports import output, person
from kb_review_worker_tests.made_cases import ROLE, case
from kb_review_worker_tests.reviewing import Reviews, reviewing
from kb_review_worker_tests.servers import Server

pytestmark = pytest.mark.anyio


async def task_of(http: httpx.AsyncClient, handle: WorkflowHandle) -> dict:
    """Return the one Task of a review."""
    found = (await http.get("/Task", params={"identifier": f"urn:kb-platform:review|{handle.id}"})).json()
    (entry,) = found["entry"]
    return entry["resource"]


async def complete(http: httpx.AsyncClient, client: FhirClient, handle: WorkflowHandle, who: str, verdict: str) -> TaskReport:
    """Complete the Task as a person does in the EHR, and return what the EHR says of it."""
    task = await task_of(http, handle)
    done = task | {"status": "completed", "owner": {"reference": who}, "output": output(verdict=verdict, reason="the scan is blurred")}
    (await http.put(f"/Task/{task['id']}", json=done)).raise_for_status()
    report = await FhirReports(client).report(task["id"])
    assert report is not None
    return report


async def test_a_review_goes_through_the_ehr_and_back(server: Server, database: Database, client: FhirClient, http: httpx.AsyncClient) -> None:
    about = case()
    async with reviewing(server, database, tasks=FhirTasks(client)) as reviews:
        handle = await opened(reviews, about)
        await reviews.pass_time(handle, hours=25)
        await reviews.until(handle, lambda state: state.level == 1)
        while (await task_of(http, handle))["priority"] != "urgent":
            await asyncio.sleep(0.02)

        nurse = await complete(http, client, handle, await person(http, "nurse"), "approve")
        assert isinstance(nurse.request, ReviewDecision)
        assert await reviews.refusal(handle, nurse.request) == "ReviewerNotAllowed"
        await FhirReports(client).reopen(nurse, "ReviewerNotAllowed")
        assert (await task_of(http, handle))["status"] == "requested"

        doctor = await person(http, ROLE)
        report = await complete(http, client, handle, doctor, "reject")
        assert isinstance(report.request, ReviewDecision)
        receipts = [await reviews.send(handle, report.request) for _ in range(2)]
        outcome: Outcome = await handle.result()
    assert receipts[0] == receipts[1] and receipts[0].event_id == report.event_id
    assert (outcome.status, (await reviews.ended(handle))[2]) == (Status.REJECTED, doctor.removeprefix("Practitioner/"))
    assert (await task_of(http, handle))["status"] == "completed"
    told = await reviews.rows("select event from audit_event where review_id = %s order by seq", handle.id)
    assert told == [("task_created",), ("escalated_1",), ("ended",)]


async def opened(reviews: Reviews, about: ReviewCase) -> WorkflowHandle:
    """Start a review, and return when its Task is there."""
    handle = await reviews.start(about)
    await reviews.until(handle, lambda state: state.phase == Phase.WAITING)
    return handle
