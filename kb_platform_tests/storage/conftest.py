"""A real Postgres for the whole folder, and knowledge bases that are written without a model or Dagster."""

from collections.abc import Iterator

import pytest

from kb_platform.cli import session
from kb_platform.settings import SHIPPED_DEFS, Settings
from kb_platform_tests.homes import at_home, serving_home
from kb_platform_tests.storage.made_releases import MadeReleases


@pytest.fixture(scope="session")
def served() -> Iterator[Settings]:
    """Yield the settings of a home whose Postgres runs to the end."""
    with serving_home("kb-storage-", SHIPPED_DEFS) as chosen:
        yield chosen


@pytest.fixture(scope="module", autouse=True)
def server(served: Settings) -> Iterator[None]:
    """Let a module's tests work in that home."""
    with at_home(served):
        yield


@pytest.fixture(scope="module")
def releases(server: None, request: pytest.FixtureRequest) -> MadeReleases:
    """Return an empty knowledge base for the module."""
    return MadeReleases(session.store(request.module.__name__.rsplit("_", maxsplit=1)[-1]).database)
