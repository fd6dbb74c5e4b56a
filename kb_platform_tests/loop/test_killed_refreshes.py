"""Refreshes that were killed, as many as may run at once: the daemon's queue goes on, with and without a command that follows."""

import os
import subprocess
import time
from pathlib import Path

import dagster as dg
import pytest

from kb_platform.cli import session
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.local import programs
from kb_platform.local.dagster_home import open_instance
from kb_platform.local.supervisor import DAEMON
from kb_platform.settings import Settings
from kb_platform_tests.flow.test_crashes import start_refresh
from kb_platform_tests.loop.everything import KILLED, everything_up, runs_of
from kb_platform_tests.loop.pages import materialize
from kb_platform_tests.waiting import wait_until

AT_ONCE = 4  # runs that dagster.yaml lets go on at once


@pytest.fixture(scope="module")
def kb(home: Settings) -> KnowledgeBase:
    return session.knowledge_base(KILLED)


def kill_refreshes(kb: KnowledgeBase, instance: dg.DagsterInstance, folder: Path, number: int) -> set[str]:
    """Kill refreshes at their first transaction, each in its own run; return the runs, which still count as going on."""
    made: list[subprocess.Popen] = [start_refresh(kb, "2026-03-01", "postgres", 1, folder / str(n)) for n in range(number)]
    for n, process in enumerate(made):
        while not (folder / str(n)).exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
    runs = under_way(instance)
    for process in made:
        os.killpg(process.pid, 9)
        process.communicate()
    assert len(runs) == number
    return runs


def under_way(instance: dg.DagsterInstance) -> set[str]:
    return runs_of(instance, KILLED, dg.DagsterRunStatus.STARTED)


def test_after_four_killed_refreshes_a_run_of_the_pages_starts_without_any_command(
    home: Settings, pages: str, kb: KnowledgeBase, tmp_path: Path
) -> None:
    with open_instance(home) as instance:
        killed = kill_refreshes(kb, instance, tmp_path, AT_ONCE)
        ran = materialize(pages, kb.name, "maintenance")
        assert ran["status"] == "SUCCESS"
        wait_until(lambda: not killed & under_way(instance), "those that were killed are ended")


def test_a_daemon_that_was_stopped_and_comes_up_ends_what_was_killed_before(home: Settings, pages: str, kb: KnowledgeBase, tmp_path: Path) -> None:
    programs.stop(home.home, (DAEMON,))  # as `kb down` does
    with open_instance(home) as instance:
        killed = kill_refreshes(kb, instance, tmp_path, 1)
        everything_up(home)
        statuses = {run.status for run in instance.get_runs(dg.RunsFilter(run_ids=list(killed)))}
    assert statuses == {dg.DagsterRunStatus.FAILURE}
