"""What people do in the EHR, read from the EHR's own record."""

from typing import Any

import httpx
import pytest

from kb_contracts.decisions import Claim, ReviewDecision, Verdict
from kb_contracts.outcomes import Status
from kb_contracts.workflow_ids import workflow_id
from kb_review_worker.adapters.fhir.client import FhirClient
from kb_review_worker.adapters.fhir.reports import FhirReports
from kb_review_worker.adapters.fhir.tasks import FhirTasks
from kb_review_worker.ports import KnownTask, NewTask
from kb_review_worker_tests.made_cases import ROLE, case

pytestmark = pytest.mark.anyio


@pytest.fixture
def reports(client: FhirClient) -> FhirReports:
    return FhirReports(client)


@pytest.fixture
async def known(tasks: FhirTasks) -> KnownTask:
    about = case()
    return KnownTask(workflow_id(about), await tasks.create(NewTask(workflow_id(about), "run", about, None)))


def id_of(task: KnownTask) -> str:
    assert task.ref
    return task.ref.id


async def person(http: httpx.AsyncClient, *roles: str, active: bool = True) -> str:
    """Put somebody into the EHR's directory, and return the reference."""
    body = {"resourceType": "Practitioner", "active": active, "name": [{"given": ["Ada"], "family": "Berg"}]}
    id_ = (await http.post("/Practitioner", json=body)).raise_for_status().json()["id"]
    for role in roles:
        link = {"resourceType": "PractitionerRole", "practitioner": {"reference": f"Practitioner/{id_}"}, "code": [{"coding": [{"code": role}]}]}
        (await http.post("/PractitionerRole", json=link)).raise_for_status()
    return f"Practitioner/{id_}"


async def edit(http: httpx.AsyncClient, task: KnownTask, **fields: Any) -> dict[str, Any]:
    """Change the Task as the EHR's own pages do."""
    found = (await http.get(f"/Task/{id_of(task)}")).json()
    return (await http.put(f"/Task/{found['id']}", json=found | fields)).raise_for_status().json()


def output(**values: Any) -> list[dict[str, Any]]:
    """Return outputs of a Task."""
    return [{"type": {"coding": [{"code": name.replace("_", "-")}]}, ("valueString" if isinstance(value, str) else "valueReference"): value}
            for name, value in values.items()]


async def test_a_completed_task_is_a_decision_of_its_owner(reports: FhirReports, http: httpx.AsyncClient, known: KnownTask) -> None:
    who = await person(http, ROLE, "physician")
    told = await edit(http, known, status="completed", owner={"reference": who}, output=output(verdict="reject", reason="blurred"))
    report = await reports.report(id_of(known))
    assert report and report.review_id == known.review_id
    assert report.event_id == f"Task/{id_of(known)}/_history/{told['meta']['versionId']}"
    decision = report.request
    assert isinstance(decision, ReviewDecision)
    assert (decision.event_id, decision.verdict, decision.reason) == (report.event_id, Verdict.REJECT, "blurred")
    assert decision.digest == next(each["valueString"] for each in told["input"] if each["type"]["text"] == "digest")
    assert (decision.reviewer.id, decision.reviewer.name) == (who.removeprefix("Practitioner/"), "Ada Berg")
    assert decision.reviewer.roles == (ROLE, "physician")
    assert decision.decided_at and decision.decided_at.isoformat(timespec="milliseconds").replace("+00:00", "Z") == told["meta"]["lastUpdated"]
    assert await reports.report(id_of(known)) == report


async def test_who_decided_need_not_be_the_owner(reports: FhirReports, http: httpx.AsyncClient, known: KnownTask) -> None:
    owner, other = await person(http, ROLE), await person(http, ROLE)
    await edit(http, known, status="completed", owner={"reference": owner}, output=output(verdict="approve", decided_by={"reference": other}))
    report = await reports.report(id_of(known))
    assert report and isinstance(report.request, ReviewDecision)
    assert report.request.reviewer.id == other.removeprefix("Practitioner/")


async def test_an_owner_is_a_claim_also_by_a_role(reports: FhirReports, http: httpx.AsyncClient, known: KnownTask) -> None:
    who = await person(http, ROLE)
    role = (await http.get("/PractitionerRole", params={"practitioner": who})).json()["entry"][0]["resource"]
    for owner in (who, f"{str(http.base_url).rstrip('/')}/{who}", f"PractitionerRole/{role['id']}"):
        await edit(http, known, status="in-progress", owner={"reference": owner})
        report = await reports.report(id_of(known))
        assert report and isinstance(report.request, Claim)
        assert report.request.reviewer.id == who.removeprefix("Practitioner/")


async def test_showing_a_claim_of_the_ehr_changes_nothing_there(
    reports: FhirReports, tasks: FhirTasks, http: httpx.AsyncClient, known: KnownTask,
) -> None:
    told = await edit(http, known, status="accepted", owner={"reference": await person(http, ROLE)})
    report = await reports.report(id_of(known))
    assert report and isinstance(report.request, Claim)
    await tasks.assign(known, report.request.reviewer)
    assert (await http.get(f"/Task/{id_of(known)}")).json() == told


@pytest.mark.parametrize(("fields", "problem"), [
    ({"output": output(reason="yes")}, "it was completed without a verdict"),
    ({"output": output(verdict="maybe")}, "its verdict is none of ours"),
    ({"output": output(verdict="approve"), "input": []}, "its input `digest` is gone"),
    ({"output": output(verdict="approve"), "owner": {"display": "Dr. Anybody"}}, "nobody did it whom the EHR's directory knows"),
    ({"output": output(verdict="approve"), "owner": {"reference": "https://elsewhere.example.org/Practitioner/1"}},
     "nobody did it whom the EHR's directory knows"),
    ({"output": output(verdict="approve"), "owner": {"reference": "Practitioner/../Task/1"}}, "nobody did it whom the EHR's directory knows"),
    ({"output": output(verdict="approve"), "owner": {"reference": "Patient/1"}}, "nobody did it whom the EHR's directory knows"),
])
async def test_a_completion_that_says_too_little_is_a_problem_and_no_decision(
    reports: FhirReports, http: httpx.AsyncClient, known: KnownTask, fields: dict[str, Any], problem: str,
) -> None:
    await edit(http, known, **{"status": "completed", "owner": {"reference": await person(http, ROLE)}} | fields)
    report = await reports.report(id_of(known))
    assert report and (report.request, report.problem) == (None, problem)


async def test_somebody_who_has_left_is_nobody(reports: FhirReports, http: httpx.AsyncClient, known: KnownTask) -> None:
    await edit(http, known, status="completed", owner={"reference": await person(http, ROLE, active=False)}, output=output(verdict="approve"))
    report = await reports.report(id_of(known))
    assert report and report.problem


async def test_our_own_changes_ask_for_nothing(reports: FhirReports, tasks: FhirTasks, known: KnownTask) -> None:
    await tasks.escalate(known, 1)
    report = await reports.report(id_of(known))
    assert report and (report.request, report.problem) == (None, "")
    await tasks.close(known, Status.APPROVED)
    report = await reports.report(id_of(known))
    assert report and (report.request, report.problem) == (None, "")


async def test_a_refused_decision_leaves_the_task_open_for_others(reports: FhirReports, http: httpx.AsyncClient, known: KnownTask) -> None:
    await edit(http, known, status="completed", owner={"reference": await person(http, "nurse")}, output=output(verdict="approve"))
    report = await reports.report(id_of(known))
    assert report
    await reports.reopen(report, "none of the roles")
    found = (await http.get(f"/Task/{id_of(known)}")).json()
    assert (found["status"], "owner" in found, "output" in found) == ("requested", False, False)
    assert found["note"][-1]["text"] == "The decision was refused: none of the roles"
    await edit(http, known, status="completed", output=output(verdict="approve"))
    await reports.reopen(report, "none of the roles")  # told again, about a version that has gone
    assert (await http.get(f"/Task/{id_of(known)}")).json()["status"] == "completed"


async def test_what_is_not_there_or_not_ours_is_no_report(reports: FhirReports, http: httpx.AsyncClient) -> None:
    theirs = (await http.post("/Task", json={"resourceType": "Task", "status": "requested", "intent": "order"})).json()["id"]
    for id_ in (theirs, "00000000-0000-4000-8000-000000000000", "../Patient", "", "a/b", "x" * 65):
        assert await reports.report(id_) is None
