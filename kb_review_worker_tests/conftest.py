"""A real Postgres and real Temporal servers for the whole folder."""

from collections.abc import AsyncIterator, Iterator

import pytest

from kb_platform.local.postgres import ensure_postgres, stop_postgres
from kb_platform_tests.made_folders import made_folder
from kb_review_worker.storage.database import Database
from kb_review_worker.storage.migrate import migrate
from kb_review_worker_tests.reviewing import Reviews, reviewing
from kb_review_worker_tests.servers import Server, serving


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests and fixtures on asyncio, in one loop."""
    return "asyncio"


@pytest.fixture(scope="session")
def database_url() -> Iterator[str]:
    """Yield the URL of a database with schema `review`."""
    with made_folder("kb-review-") as folder:
        try:
            url = ensure_postgres(folder / "home").url()
            migrate(url)
            yield url
        finally:
            stop_postgres(folder / "home", wipe=True)


@pytest.fixture(scope="session")
async def database(anyio_backend: str, database_url: str) -> AsyncIterator[Database]:
    """Yield the worker's connections to it."""
    async with Database(database_url) as opened:
        yield opened


@pytest.fixture(scope="session")
async def real(anyio_backend: str) -> AsyncIterator[Server]:
    """Yield the real server."""
    async with serving("real") as running:
        yield running


@pytest.fixture(scope="session")
def server(real: Server) -> Server:
    """Return the server that `reviews` runs on: the real one, unless a module says otherwise."""
    return real


@pytest.fixture
async def reviews(server: Server, database: Database) -> AsyncIterator[Reviews]:
    """Yield a worker that runs on the server, over the real inbox and ledger."""
    async with reviewing(server, database) as running:
        yield running
