"""Decisions over REST: one receipt, clear refusals, everything that is refused is in the trail."""

import asyncio
import secrets

import pytest

from kb_contracts.outcomes import Status
from kb_review_worker_tests.gateway.gateways import PASSPHRASE, Gateway
from kb_review_worker_tests.made_cases import case

pytestmark = pytest.mark.anyio


async def test_a_decision_gets_its_receipt_and_the_same_one_again(local: Gateway) -> None:
    about, handle, task = await local.waiting()
    sent = {"verdict": "approve", "digest": about.digest}
    answers = [await local.api("POST", f"/cases/{task}/decision", body=sent, key="the-same-key") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert len({answer.text for answer in answers}) == 1
    assert (await handle.result()).status == Status.APPROVED
    again = await local.api("POST", f"/cases/{task}/decision", body=sent, key="the-same-key")
    assert again.json() == answers[0].json()

    shown = (await local.api("GET", f"/cases/{task}")).json()
    assert (shown["status"], shown["decided_by"]["id"]) == ("approved", "dr.reviewer")
    signed = await local.reviews.rows("select body::jsonb ->> 'meaning' from audit_event where event = 'signed' and review_id = %s", handle.id)
    assert signed == [("I have reviewed exactly this version and approve it",)]


async def test_the_losers_of_a_race_are_told_who_and_when(local: Gateway) -> None:
    about, handle, task = await local.waiting()
    sent = {"verdict": "approve", "digest": about.digest}
    names = ["dr.reviewer", "dr.second"] * 10
    answers = await asyncio.gather(*(local.api("POST", f"/cases/{task}/decision", who=name, body=sent) for name in names))
    outcome = await handle.result()
    winner = outcome.state.decision.reviewer
    late = await local.api("POST", f"/cases/{task}/decision", who="dr.second", body=sent)

    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 19
    for answer in [*(a for a in answers if a.status_code == 409), late]:
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert problem["refusal"] in {"AlreadyDecided", "DuplicateDecision"}
        assert (problem["decided_by"], bool(problem["ended_at"])) == (winner.name, True)
    assert len(await local.reviews.rows("select 1 from decision where review_id = %s", handle.id)) == 1


@pytest.mark.parametrize(("who", "body", "status", "refusal"), [
    ("nurse", {}, 403, "ReviewerNotAllowed"),
    ("dr.author", {}, 403, "AuthorMayNotReview"),
    ("dr.reviewer", {"digest": "0" * 64}, 409, "StaleSubject"),
    ("dr.reviewer", {"verdict": "reject"}, 422, "ReasonMissing"),
    ("dr.reviewer", {"verdict": "request_changes", "reason": "  "}, 422, "ReasonMissing"),
])
async def test_what_is_refused_is_typed_and_recorded(local: Gateway, who: str, body: dict[str, str], status: int, refusal: str) -> None:
    about, handle, task = await local.waiting()
    sent = {"verdict": "approve", "digest": about.digest} | body
    answer = await local.api("POST", f"/cases/{task}/decision", who=who, body=sent)
    assert (answer.status_code, answer.json()["refusal"]) == (status, refusal)
    assert (who, handle.id) in await local.denied(refusal)
    assert (await local.reviews.state(handle)).decision is None


async def test_without_a_valid_login_nothing_is_told(local: Gateway) -> None:
    _, _, task = await local.waiting()
    for headers in ({}, {"Authorization": "Bearer ey.ey.ey"}, {"Authorization": "Basic bnVyc2U6Z3Vlc3M="}):
        answer = await local.api("GET", f"/cases/{task}", who=None, **headers)
        assert (answer.status_code, answer.json()["title"]) == (401, "Who are you?")
    assert await local.denied("token")


async def test_only_the_roles_of_a_case_and_auditors_see_it(local: Gateway) -> None:
    _, handle, task = await local.waiting()
    assert (await local.api("GET", f"/cases/{task}", who="nurse")).status_code == 404
    assert ("nurse", handle.id) in await local.denied("ViewNotAllowed")
    assert (await local.api("GET", f"/cases/{task}", who="auditor")).status_code == 200
    assert (await local.api("GET", "/cases", who="nurse")).json() == {"cases": [], "total": 0}
    assert (await local.api("GET", "/cases", who="auditor")).json()["total"] > 0


async def test_the_reviews_of_one_case_can_be_asked_for(local: Gateway) -> None:
    about, handle, task = await local.waiting()
    query = f"/cases?status=all&knowledge_base={about.knowledge_base}&case={about.case_id}"
    found = (await local.api("GET", query)).json()["cases"]
    assert (task, handle.id) in [(each["id"], each["review"]) for each in found]
    assert {each["case"] for each in found} == {about.case_id}
    assert (await local.api("GET", query.replace(f"case={about.case_id}", "case=999999"))).json() == {"cases": [], "total": 0}


async def test_claims_reassignments_and_notes_reach_the_review(local: Gateway) -> None:
    about, handle, task = await local.waiting(case(knowledge_base="claims"))
    assert (await local.api("POST", f"/cases/{task}/claim")).status_code == 200
    taken = await local.api("POST", f"/cases/{task}/claim", who="dr.second")
    assert (taken.status_code, taken.json()["refusal"]) == (409, "AlreadyClaimed")
    assert (await local.api("POST", f"/cases/{task}/reassignment", body={"to": "dr.second"})).status_code == 200
    assert (await local.api("POST", f"/cases/{task}/notes", body={"text": "look at page 3"})).status_code == 200
    state = await local.reviews.state(handle)
    assert (state.assignee and state.assignee.id, [note.text for note in state.notes]) == ("dr.second", ["look at page 3"])
    while not (found := (await local.api("GET", "/cases?mine=true&knowledge_base=claims", who="dr.second")).json())["total"]:
        await asyncio.sleep(0.02)
    assert found["cases"][0]["assignee"]["id"] == "dr.second"
    assert (await local.api("GET", f"/cases/{task}")).json()["notes"][0]["text"] == "look at page 3"
    assert about.digest == found["cases"][0]["digest"]


async def test_what_no_database_keeps_is_replaced_or_refused(local: Gateway) -> None:
    about, handle, task = await local.waiting()
    assert (await local.api("POST", f"/cases/{task}/notes", body={"text": "see\0there"})).status_code == 200
    sent = {"verdict": "reject", "digest": about.digest, "reason": "blurred\0page"}
    assert (await local.api("POST", f"/cases/{task}/decision", body=sent)).status_code == 200
    await handle.result()
    assert (await local.reviews.ended(handle))[3] == "blurred\ufffdpage"
    assert [(await local.http.get(path)).status_code for path in ("/?kind=%00", "/signatures/%00")] == [400, 400]


async def test_a_key_belongs_to_one_request(local: Gateway) -> None:
    about, _, task = await local.waiting()
    await local.api("POST", f"/cases/{task}/notes", body={"text": "first"}, key="key-of-the-first")
    other = await local.api("POST", f"/cases/{task}/notes", body={"text": "second"}, key="key-of-the-first")
    assert (other.status_code, other.json()["title"]) == (409, "Another request has this Idempotency-Key")
    elsewhere = await local.api("POST", f"/cases/{task}/notes", who="dr.second", body={"text": "second"}, key="key-of-the-first")
    assert elsewhere.status_code == 200
    assert (await local.api("POST", f"/cases/{task}/decision", body={"verdict": "maybe", "digest": about.digest})).status_code == 422


async def test_the_interface_describes_itself(local: Gateway) -> None:
    described = (await local.http.get("/api/openapi.json")).json()
    assert {"/api/v1/cases", "/api/v1/cases/{task_id}/decision", "/webhooks/decisions", "/webhooks/fhir"} <= set(described["paths"])


async def test_the_pages_take_forms_under_each_name_of_this_machine_and_of_no_other_port(local: Gateway) -> None:
    port = local.url.rpartition(":")[2]
    form, statuses = {"name": "dr.reviewer", "passphrase": PASSPHRASE.format("dr.reviewer")}, []
    for host, origin in (("localhost", f"http://localhost:{port}"), ("127.0.0.1", local.url), ("localhost", "http://localhost:1"), ("localhost", "null")):
        answer = await local.http.post("/sign-in", data=form, headers={"Host": f"{host}:{port}", "Origin": origin})
        statuses.append(answer.status_code)
    local.http.cookies.clear()
    assert statuses == [303, 303, 403, 403]


async def test_a_form_of_a_session_with_nonsense_is_refused_in_words(local: Gateway) -> None:
    _, _, task = await local.waiting()
    form = {"name": "dr.reviewer", "passphrase": PASSPHRASE.format("dr.reviewer")}
    session = {"Cookie": (await local.http.post("/sign-in", data=form)).headers["set-cookie"].partition(";")[0]}
    local.http.cookies.clear()
    csrf = (await local.http.get("/", headers=session)).text.partition('name="csrf" value="')[2].partition('"')[0]
    key = secrets.token_hex(16)
    claimed = await local.http.post(f"/cases/{task}/claim", data={"csrf": csrf, "key": key}, headers=session)
    receipt = await local.http.get(f"/cases/{task}/receipts/{key}", headers=session)
    given = await local.http.post(f"/cases/{task}/reassign", data={"csrf": csrf, "key": f"{key}-to", "to": "x" * 300}, headers=session)
    assert [answer.status_code for answer in (claimed, receipt, given)] == [303, 404, 422]


async def test_a_host_that_is_not_ours_and_a_proxy_are_turned_away(local: Gateway) -> None:
    assert (await local.http.get("/api/v1/cases", headers={"Host": "evil.example:80"})).status_code == 421
    assert (await local.http.get("/api/v1/cases", headers={"X-Forwarded-For": "10.0.0.1"})).status_code == 403
    assert (await local.api("POST", "/cases/1/notes", body={"text": "x" * 300_000})).status_code == 413
