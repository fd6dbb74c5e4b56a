"""How test files are dealt to pytest-xdist's processes: as by --dist loadfile, and to the end also when a process dies.

pytest-xdist 3.8 deals the finished files of a dead process again, as empty work that nobody can finish: the run waits for ever
(https://github.com/pytest-dev/pytest-xdist/issues/1378).
"""

import subprocess
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController


class SteadyScheduling(LoadFileScheduling):
    """A test that takes its process along fails, and is not tried again in this run; what was left of its file runs elsewhere."""

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        """Note what a process can run; one in place of a dead one must be able to run what that one left."""
        super().add_node_collection(node, collection)
        if node not in self.registered_collections:
            raise pytest.UsageError(f"{node.gateway.id} does not collect the tests that this run began with: files have changed. Run them again")

    def remove_node(self, node: WorkerController) -> str | None:
        """Take a process off, and deal what it had not finished. Return the test that it died of; None if it had nothing left to do."""
        if self.collection is None:
            self.registered_collections.pop(node, None)  # the one in its place is waited for
        left = {file: tests for file, tests in self.assigned_work.pop(node).items() if not all(tests.values())}
        if not left:
            return None
        file, tests = next(iter(left.items()))
        died_of = next(test for test, done in tests.items() if not done)
        tests[died_of] = True
        self.workqueue.update({file: tests for file, tests in left.items() if not all(tests.values())})
        for other in self.assigned_work:
            self._reschedule(other)
        return died_of

    def _assign_work_unit(self, node: WorkerController) -> None:
        """Deal a file, perhaps to a process that has died just now: it comes back when that is noticed."""
        with suppress(OSError):
            super()._assign_work_unit(node)

    def _reschedule(self, node: WorkerController) -> None:
        """Deal until the process can begin: it runs a test when it knows the next one, or that there is none."""
        if node not in self.registered_collections:
            return  # it is still collecting, and is dealt to when it has
        super()._reschedule(node)
        while not node.shutting_down and self._pending_of(self.assigned_work[node]) < 2:
            super()._reschedule(node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> SteadyScheduling | None:
    """Deal whole files to processes that may die."""
    return SteadyScheduling(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: WorkerController, error: object) -> None:
    """Say how a process ended that died: -9 is a signal from outside, such as for want of memory; what crashes itself has said so."""
    if error and error != "keyboard-interrupt" and (reporter := node.config.pluginmanager.get_plugin("terminalreporter")):
        with suppress(AttributeError, subprocess.TimeoutExpired):
            reporter.write_line(f"{node.gateway.id} died: exit code {node.gateway._io.popen.wait(10)}")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run that was given up as too many processes died, also when no test did."""
    if session.exitstatus == 0 and getattr(session.config.pluginmanager.get_plugin("dsession"), "_summary_report", None):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
