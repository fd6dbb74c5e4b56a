"""Refreshes that were killed, as many as may run at once: the daemon's queue goes on, with and without a command that follows."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.local.dagster_home import open_instance
from kb_platform.local.environment import ensure_database
from kb_platform.local.supervisor import down, up
from kb_platform.settings import Settings
from kb_platform_tests.flow.conftest import write_kb
from kb_platform_tests.flow.test_crashes import start_refresh
from kb_platform_tests.flow.test_webserver import materialize
from kb_platform_tests.homes import at_home, serving_home

AT_ONCE = 4  # runs that dagster.yaml lets go on at once
UNDER_WAY = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])


@pytest.fixture(scope="module")
def home() -> Iterator[Settings]:
    with serving_home("kb-killed-") as chosen, at_home(chosen):
        yield chosen


@pytest.fixture(scope="module")
def kb(home: Settings) -> KnowledgeBase:
    return write_kb(home.home.parent, "ward_manual", {"visits.md": "# Visits\n\nUntil eight in the evening.\n"})


def kill_refreshes(kb: KnowledgeBase, instance: dg.DagsterInstance, folder: Path) -> set[str]:
    """Kill four refreshes at their first transaction, each in its own run; return the runs, which still count as going on."""
    made: list[subprocess.Popen] = [start_refresh(kb, "2026-03-01", "postgres", 1, folder / str(n)) for n in range(AT_ONCE)]
    for n, process in enumerate(made):
        while not (folder / str(n)).exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
    runs = {run.run_id for run in instance.get_runs(UNDER_WAY)}
    for process in made:
        os.killpg(process.pid, 9)
        process.communicate()
    assert len(runs) == AT_ONCE
    return runs


def under_way(instance: dg.DagsterInstance) -> set[str]:
    return {run.run_id for run in instance.get_runs(UNDER_WAY)}


def test_after_four_killed_refreshes_a_run_of_the_pages_starts_without_any_command(home: Settings, kb: KnowledgeBase, tmp_path: Path) -> None:
    pages = up(home).pages
    with open_instance(home) as instance:
        killed = kill_refreshes(kb, instance, tmp_path)
        ran = materialize(pages, kb.name, "maintenance")
        assert ran["status"] == "SUCCESS"
        assert not killed & under_way(instance)


def test_down_and_up_end_what_was_killed_before(home: Settings, kb: KnowledgeBase, tmp_path: Path) -> None:
    down(home)
    ensure_database(home)
    with open_instance(home) as instance:
        killed = kill_refreshes(kb, instance, tmp_path)
        up(home)
        statuses = {run.status for run in instance.get_runs(dg.RunsFilter(run_ids=list(killed)))}
    assert statuses == {dg.DagsterRunStatus.FAILURE}
