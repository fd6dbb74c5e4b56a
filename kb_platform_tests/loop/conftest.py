"""One home for the whole folder: its tests run in one process (conftest.py in the root), and start everything once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kb_platform.settings import Settings
from kb_platform_tests.homes import at_home, serving_home
from kb_platform_tests.loop.everything import everything_up, write_all


@pytest.fixture(scope="package")
def served() -> Iterator[Settings]:
    """Yield the settings of the home, in which everything is up."""
    with serving_home("kb-loop-") as chosen:
        with at_home(chosen):
            write_all(chosen)
            everything_up(chosen)
        yield chosen


@pytest.fixture(scope="module")
def home(served: Settings) -> Iterator[Settings]:
    """Yield the settings of the home while a module's tests work there."""
    with at_home(served):
        yield served


@pytest.fixture(scope="module")
def pages(home: Settings) -> str:
    """Return where Dagster's pages are."""
    return everything_up(home).pages


@pytest.fixture
def pictures(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return the folder for pictures of pages: the one that --screenshots names, else one that nobody keeps."""
    chosen = request.config.getoption("screenshots")
    folder = Path(chosen) if chosen else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    return folder
