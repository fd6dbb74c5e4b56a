"""What each answer of the EHR and of its token endpoint is worth; tokens are fetched once, and anew when they are over."""

import asyncio
import datetime as dt
from http.server import BaseHTTPRequestHandler
from typing import Any

import httpx
import pytest
from temporalio.exceptions import ApplicationError

from kb_contracts.outcomes import TaskRef
from kb_contracts.workflow_ids import workflow_id
from kb_review_worker.adapters.fhir.client import FhirClient
from kb_review_worker.adapters.fhir.tasks import FhirTasks
from kb_review_worker.adapters.fhir.tokens import Client, ClientCredentials
from kb_review_worker.ports import KnownTask, NewTask
from kb_review_worker_tests.fhir.ehr import Ehr, TokenEndpoint, served
from kb_review_worker_tests.made_cases import case

pytestmark = pytest.mark.anyio
ABOUT = case()
TASK = NewTask(workflow_id(ABOUT), "run", ABOUT, None)
SECRET = "s3cret & more"


def guarded(http: httpx.AsyncClient, url: str) -> FhirTasks:
    return FhirTasks(FhirClient(http, ClientCredentials(http, Client(url, "kb worker", SECRET, "system/Task.crus"))))


async def failure(work: Any) -> ApplicationError:
    with pytest.raises(ApplicationError) as caught:
        await work
    assert SECRET not in repr(caught.value) and "review/" not in str(caught.value)
    return caught.value


async def test_one_token_serves_all_who_ask_at_once(guarded_ehr: Ehr, token_endpoint: tuple[TokenEndpoint, str]) -> None:
    endpoint, url = token_endpoint
    async with httpx.AsyncClient(base_url=guarded_ehr.url) as http:
        tasks = guarded(http, url)
        refs = await asyncio.gather(*(tasks.create(TASK) for _ in range(10)))
    assert len(set(refs)) == 1
    assert endpoint.asked == [{"login": "kb+worker:s3cret+%26+more", "grant_type": "client_credentials", "scope": "system/Task.crus"}]


async def test_a_token_is_not_used_past_its_time(guarded_ehr: Ehr, token_endpoint: tuple[TokenEndpoint, str]) -> None:
    endpoint, url = token_endpoint
    endpoint.said = 0
    async with httpx.AsyncClient(base_url=guarded_ehr.url) as http:
        tasks = guarded(http, url)
        assert await tasks.create(TASK) == await tasks.create(TASK)
    assert len(endpoint.asked) == 2


async def test_a_token_that_ended_before_its_time_is_fetched_anew_at_once(guarded_ehr: Ehr, token_endpoint: tuple[TokenEndpoint, str]) -> None:
    endpoint, url = token_endpoint
    endpoint.life, endpoint.said = -1, 3600
    async with httpx.AsyncClient(base_url=guarded_ehr.url) as http:
        tasks = guarded(http, url)
        error = await failure(tasks.create(TASK))
        assert (error.type, error.non_retryable, len(endpoint.asked)) == ("EhrAuth", False, 2)
        endpoint.life = 60
        await tasks.create(TASK)
        await tasks.create(TASK)
    assert len(endpoint.asked) == 3


@pytest.mark.parametrize(("status", "type_"), [(400, "EhrAuth"), (401, "EhrAuth"), (503, "EhrUnavailable"), (429, "EhrUnavailable")])
async def test_a_token_endpoint_that_gives_none(
    guarded_ehr: Ehr, token_endpoint: tuple[TokenEndpoint, str], status: int, type_: str,
) -> None:
    endpoint, url = token_endpoint
    endpoint.status = status
    async with httpx.AsyncClient(base_url=guarded_ehr.url) as http:
        error = await failure(guarded(http, url).create(TASK))
        assert (error.type, error.non_retryable) == (type_, False)
        nowhere = await failure(guarded(http, "http://127.0.0.1:1/token").create(TASK))
        assert (nowhere.type, nowhere.non_retryable) == ("EhrUnavailable", False)


@pytest.mark.parametrize(("status", "headers", "body", "type_", "permanent"), [
    (400, {}, b"{}", "EhrRejected", True),
    (404, {}, b"{}", "EhrRejected", True),
    (412, {}, b"{}", "EhrRejected", True),  # more than one Task has the review's identifier
    (422, {}, b"{}", "EhrRejected", True),
    (302, {"location": "https://elsewhere.example.org/"}, b"", "EhrRejected", True),
    (200, {}, b"<html>welcome</html>", "EhrRejected", True),
    (200, {}, b'{"resourceType": "Patient", "id": "1"}', "EhrRejected", True),
    (401, {}, b"{}", "EhrAuth", False),
    (403, {}, b"{}", "EhrAuth", False),
    (408, {}, b"{}", "EhrUnavailable", False),
    (429, {"retry-after": "7"}, b"{}", "EhrUnavailable", False),
    (500, {}, b"{}", "EhrUnavailable", False),
    (503, {}, b"{}", "EhrUnavailable", False),
])
async def test_what_an_answer_to_a_creation_is_worth(status: int, headers: dict[str, str], body: bytes, type_: str, permanent: bool) -> None:
    asked: list[str] = []

    def answer(request: BaseHTTPRequestHandler, _body: bytes) -> tuple[int, dict[str, str], bytes]:
        asked.append(f"{request.command} {request.headers['if-none-exist']}")
        return status, headers, body

    server = served(answer)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.server_address[1]}") as http:
        error = await failure(FhirTasks(FhirClient(http, None)).create(TASK))
    server.shutdown()
    server.server_close()
    assert (error.type, error.non_retryable) == (type_, permanent)
    assert error.next_retry_delay == (dt.timedelta(seconds=7) if headers.get("retry-after") else None)
    assert asked == [f"POST identifier=urn:kb-platform:review|{TASK.review_id}"]


async def test_a_server_that_answers_a_creation_without_a_body_is_searched(ehr: Ehr) -> None:
    def answer(request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
        passed = httpx.request(request.command, f"{ehr.url}{request.path}", content=body, headers={
            name: value for name, value in request.headers.items() if name.lower() not in {"host", "content-length"}})
        return passed.status_code, {}, b"" if request.command == "POST" else passed.content

    server = served(answer)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.server_address[1]}") as http:
        tasks = FhirTasks(FhirClient(http, None))
        assert await tasks.create(TASK) == await tasks.create(TASK)
    server.shutdown()
    server.server_close()


async def test_a_server_without_versions_is_told_apart() -> None:
    def answer(_request: BaseHTTPRequestHandler, _body: bytes) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, b'{"resourceType": "Task", "id": "1", "status": "requested"}'

    server = served(answer)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.server_address[1]}") as http:
        error = await failure(FhirTasks(FhirClient(http, None)).escalate(KnownTask("review/1", TaskRef(system="fhir", id="1")), 1))
    server.shutdown()
    server.server_close()
    assert (error.type, error.non_retryable) == ("EhrRejected", True)
