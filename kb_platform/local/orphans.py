"""Runs whose process died without a last word: after a power cut, a kill -9, or when the daemon had to be killed.

Nobody else would notice. Dagster's run monitoring asks a run's launcher, and the launcher of local processes cannot tell; the run
would be shown as going on, and hold its place among the runs that may go on at once, until its maximum run time. Four such runs
and the queue stands still. As failed runs they are tried again at once, or by whoever started them.
"""

import json
import socket
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

from kb_platform.local.dagster_home import open_instance
from kb_platform.local.processes import ProcessRecord, is_running, this_process
from kb_platform.settings import Settings

if TYPE_CHECKING:
    from dagster import DagsterInstance, DagsterRun

PROCESS_TAG = "kb/process"


def process_tags() -> dict[str, str]:
    """Return the tags of a command's run: how to see whether its process lives, and that the daemon must not try it again."""
    return {PROCESS_TAG: json.dumps({"host": socket.gethostname(), **asdict(this_process())}), "dagster/max_retries": "0"}


def fail_orphaned_runs(settings: Settings) -> int:
    """Record as failed what the daemon had started and cannot be running any more; return how many runs that were.

    To be called only while no process of the home's daemon runs. Runs of other processes (`kb refresh`) are left alone: they do
    not carry the tag of the daemon's launcher.
    """
    from dagster._core.storage.tags import GRPC_INFO_TAG

    with open_instance(settings) as instance:
        return _fail(instance, lambda run: GRPC_INFO_TAG in run.tags, "The run's process ended together with the daemon, without a last word.")


def fail_abandoned_runs(instance: "DagsterInstance") -> int:
    """Record as failed the runs of commands of this machine whose process is gone; return how many runs that were."""
    return _fail(instance, _is_abandoned, "The command's process ended without a last word.")


def _is_abandoned(run: "DagsterRun") -> bool:
    said = json.loads(run.tags.get(PROCESS_TAG, "{}"))
    return said.pop("host", None) == socket.gethostname() and not is_running(ProcessRecord(**said))


def _fail(instance: "DagsterInstance", concerns: "Callable[[DagsterRun], bool]", message: str) -> int:
    from dagster import DagsterRunStatus, RunsFilter

    at_hand = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
    runs = [run for run in instance.get_runs(RunsFilter(statuses=at_hand)) if concerns(run)]
    for run in runs:
        instance.report_run_failed(run, message)
    return len(runs)
