"""Two FHIR servers for the folder: an open one, and one that asks for tokens."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from kb_review_worker.adapters.fhir.client import TIMEOUT, FhirClient
from kb_review_worker.adapters.fhir.tasks import FhirTasks
from kb_review_worker_tests.fhir.ehr import Ehr, TokenEndpoint, install, served


@pytest.fixture(scope="package")
def ehr(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ehr]:
    """Yield a server that asks for no token."""
    yield from _running(tmp_path_factory.mktemp("ehr"), require_tokens=False)


@pytest.fixture(scope="package")
def guarded_ehr(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ehr]:
    """Yield a server that asks for tokens."""
    yield from _running(tmp_path_factory.mktemp("guarded"), require_tokens=True)


def _running(folder: Path, *, require_tokens: bool) -> Iterator[Ehr]:
    install()
    server = Ehr(folder / "journal.jsonl", require_tokens)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def http(anyio_backend: str, ehr: Ehr) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a plain client of the open server."""
    async with httpx.AsyncClient(base_url=ehr.url, timeout=TIMEOUT) as client:
        yield client


@pytest.fixture
def client(http: httpx.AsyncClient) -> FhirClient:
    """Return our client of the open server."""
    return FhirClient(http, None)


@pytest.fixture
def tasks(client: FhirClient) -> FhirTasks:
    """Return the adapter over the open server."""
    return FhirTasks(client)


@pytest.fixture
def token_endpoint() -> Iterator[tuple[TokenEndpoint, str]]:
    """Yield a token endpoint and its address."""
    endpoint = TokenEndpoint()
    server = served(endpoint.answer)
    yield endpoint, f"http://127.0.0.1:{server.server_address[1]}/token"
    server.shutdown()
    server.server_close()
