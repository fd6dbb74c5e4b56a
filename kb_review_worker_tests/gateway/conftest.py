"""One gateway with a local identity and one browser for the folder; tests that need another gateway make their own."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from kb_review_worker.storage.database import Database
from kb_review_worker_tests.gateway.browsers import browsing
from kb_review_worker_tests.gateway.gateways import Gateway, gateway
from kb_review_worker_tests.reviewing import reviewing
from kb_review_worker_tests.servers import Server


@pytest.fixture(scope="package")
async def local(anyio_backend: str, real: Server, database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """Yield a running gateway, and a worker behind it."""
    async with reviewing(real, database) as reviews, gateway(reviews, tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture(scope="package")
async def browser(anyio_backend: str) -> AsyncIterator[Browser]:
    """Yield a browser."""
    async with browsing() as running:
        yield running
