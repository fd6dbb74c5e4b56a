"""A back-fill started at noon, in clinical hours: it waits in Dagster's queue without a process, and goes through when the window opens.

The webserver, the daemon, their sensors and the run processes are real, but for how often the sensors tick. It is noon in the time zone
that the window is in.
"""

import datetime as dt

import dagster as dg
import psutil
import pytest
from typer.testing import CliRunner

from kb_platform.cli import app, session
from kb_platform.cli.refreshing import exit_code, refresh_once
from kb_platform.components.gpu_window import last_tick, slots_of
from kb_platform.local.dagster_home import open_instance
from kb_platform.settings import Settings, export
from kb_platform.storage.releases import live_release
from kb_platform_tests.loop.everything import QUEUED, closed_hours
from kb_platform_tests.loop.pages import ask, materialize
from kb_platform_tests.waiting import wait_until

NAME, JOB = QUEUED, f"{QUEUED}_embed"
DAYS = ["2026-03-01", "2026-03-02"]
BACKFILL = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) { __typename
    ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } ... on PartitionSetNotFoundError { message } } }"""


@pytest.fixture(scope="module")
def waiting(home: Settings) -> None:
    """Set the window that is closed at noon for this process, too; a delivery waits for its vectors."""
    export({f"KB_{name.upper()}": value for name, value in closed_hours().items()})
    report = refresh_once(session.knowledge_base(NAME), DAYS[0], None, quiet=True)
    assert (exit_code(report), report["vectors"]["left"]) == (6, 1), report


@pytest.mark.usefixtures("waiting")
def test_a_back_fill_started_at_noon_waits_without_a_process_until_the_window_opens(home: Settings, pages: str) -> None:
    with open_instance(home) as instance:
        wait_until(lambda: slots_of(instance, "gpu") == 0, "the pool is closed")
        selector = {"repositoryLocationName": "kb_platform", "repositoryName": "__repository__"}
        params = {"selector": {"partitionSetName": f"{JOB}_partition_set", "repositorySelector": selector}, "partitionNames": DAYS}
        launched = ask(pages, BACKFILL, params=params)["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched

        filled = dg.RunsFilter(tags={"dagster/backfill": launched["backfillId"]})
        wait_until(lambda: bool(instance.get_runs(filled)), "its runs are there")
        assert materialize(pages, NAME, "maintenance")["status"] == "SUCCESS"  # it came after them, and the queue let it through
        runs = instance.get_runs(filled)
        assert {run.status for run in runs} == {dg.DagsterRunStatus.QUEUED}
        ids = {run.run_id for run in runs}
        assert [p for p in psutil.process_iter(["cmdline"]) if any(i in " ".join(p.info["cmdline"] or ()) for i in ids)] == []
        assert live_release(session.store(NAME).database) is None

        before = dt.datetime.now(dt.UTC)
        opened = CliRunner().invoke(app, ["gpu-window", "open", "--for", "2h", "--reason", "the back-fill cannot wait"])
        assert opened.exit_code == 0, opened.output
        wait_until(lambda: {run.status for run in instance.get_runs(filled)} == {dg.DagsterRunStatus.SUCCESS}, "the runs are done")
        wait_until(lambda: live_release(session.store(NAME).database) is not None, "release has followed")
        assert slots_of(instance, "gpu") == 2
        looked = last_tick(instance, "gpu")
        assert looked is not None
        assert looked > before
