"""How tests are run: the examples of property tests, and which tests share a process.

Property tests have the same examples each time, none of them timed, so that every machine gives the same answer. `make fuzz` tries new ones.
"""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings

SLOW = [HealthCheck.too_slow]
settings.register_profile("steady", derandomize=True, database=None, deadline=None, suppress_health_check=SLOW)
settings.register_profile("fuzz", deadline=None, print_blob=True, suppress_health_check=SLOW)
settings.load_profile("steady")

LONGEST = (  # each in one process: a folder is there for what its modules share
    "kb_platform_tests/loop/", "kb_platform_tests/local/test_supervisor.py", "kb_platform_tests/serving/", "kb_platform_tests/flow/test_crashes.py",
    "kb_platform_tests/flow/test_medquad.py", "kb_platform_tests/flow/test_histories.py", "kb_platform_tests/local/test_telemetry.py",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let pictures of pages be kept: `pytest kb_platform_tests/loop --screenshots docs/images` takes those of the docs anew."""
    parser.addoption("--screenshots", metavar="FOLDER", help="keep the pictures that tests take of pages in this folder")


def pytest_sessionstart(session: pytest.Session) -> None:
    """End what a run of the tests that was killed has left running."""
    from kb_platform_tests.made_folders import remove_left_behind

    if not hasattr(session.config, "workerinput"):  # which processes of pytest-xdist have
        remove_left_behind()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each process of pytest-xdist a file at a time, or a folder that shares what is costly; the longest come first, so that none ends alone."""
    from xdist.scheduler import LoadFileScheduling

    class LongestFirst(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return next((long for long in LONGEST if nodeid.startswith(long)), super()._split_scope(nodeid))

        def _assign_work_unit(self, node: Any) -> None:
            for long in reversed(LONGEST):
                if long in self.workqueue:
                    self.workqueue.move_to_end(long, last=False)
            super()._assign_work_unit(node)

    return LongestFirst(config, log)
