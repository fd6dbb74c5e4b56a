"""A home with a real Postgres, started only for the tests that ask for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kb_platform.settings import Settings
from kb_platform_tests.homes import at_home, serving_home


@pytest.fixture(scope="session")
def served() -> Iterator[Settings]:
    """Yield the settings of a home whose Postgres runs to the end."""
    with serving_home("kb-compute-") as chosen:
        yield chosen


@pytest.fixture
def home(served: Settings) -> Iterator[Path]:
    """Yield the folder that holds the home and its knowledge bases, while a test works there."""
    with at_home(served):
        yield served.home.parent
