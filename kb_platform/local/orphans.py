"""Runs whose process died with the daemon that had started it: after a power cut, or when they had to be killed.

Nobody else would notice. Dagster's run monitoring asks a run's launcher, and the launcher of local processes cannot tell; the run
would be shown as going on, and hold its slots, until its maximum run time. As failed runs they are tried again at once.
"""

from kb_platform.local.dagster_home import open_instance
from kb_platform.settings import Settings


def fail_orphaned_runs(settings: Settings) -> int:
    """Record as failed what the daemon had started and cannot be running any more; return how many runs that were.

    To be called only while no process of the home's daemon runs. Runs of other processes (`kb refresh`) are left alone: they do
    not carry the tag of the daemon's launcher.
    """
    from dagster import DagsterRunStatus, RunsFilter
    from dagster._core.storage.tags import GRPC_INFO_TAG

    at_hand = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
    with open_instance(settings) as instance:
        runs = [run for run in instance.get_runs(RunsFilter(statuses=at_hand)) if GRPC_INFO_TAG in run.tags]
        for run in runs:
            instance.report_run_failed(run, "The run's process ended together with the daemon, without a last word.")
    return len(runs)
