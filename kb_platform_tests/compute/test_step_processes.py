"""Steps in processes of their own end with their run, however that ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import dagster as dg
import psutil
import pytest

from kb_platform_tests.compute import made_steps
from kb_platform_tests.waiting import PATIENCE, wait_until

RUN = """
import sys, dagster as dg
from kb_platform_tests.compute import made_steps
with dg.DagsterInstance.from_config(sys.argv[1]) as instance:
    with dg.execute_job(dg.reconstructable(made_steps.asleep), instance=instance) as result:
        pass
"""


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_ends_takes_its_steps_processes_along(ending: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "asleep.does").write_text("sleep")
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    environment = os.environ | {"KB_STEPS": "processes", made_steps.FOLDER: str(tmp_path), "DAGSTER_HOME": str(tmp_path)}
    run = subprocess.Popen([sys.executable, "-c", RUN, str(tmp_path)], env=environment, stderr=subprocess.DEVNULL)
    starts = tmp_path / "asleep.starts"

    def started() -> str:
        assert run.poll() is None
        return starts.read_text() if starts.exists() else ""

    try:
        step = psutil.Process(int(wait_until(started, "the step sleeps")))
        assert step.ppid() == run.pid
        run.send_signal(ending)
        run.wait(PATIENCE)
    finally:
        run.kill()
    gone, alive = psutil.wait_procs([step], PATIENCE / 2)  # it would sleep for longer
    assert (len(gone), alive) == (1, [])
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        (found,) = instance.get_runs()
        assert found.is_finished is (ending is signal.SIGTERM)  # of a killed one the daemon says so, later
