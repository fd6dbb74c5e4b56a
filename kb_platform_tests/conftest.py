"""What every test may use."""

import os
import signal
from pathlib import Path

import pytest

from kb_platform_tests.scheduling import pytest_sessionfinish, pytest_testnodedown, pytest_xdist_make_scheduler  # noqa: F401  hooks of pytest


def pytest_configure() -> None:
    """Heed SIGINT also where a script puts the tests in the background, as `kb` does (cli/__init__.py)."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real corpora beside the checkout (or KB_TEST_DATA); skips, saying so, where it is absent."""
    folder = Path(os.environ.get("KB_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no corpora at {folder}: set KB_TEST_DATA")
    return folder
