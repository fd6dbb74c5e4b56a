"""Runs whose process died without a last word: after a power cut, a kill -9, or when the daemon had to be killed.

Nobody else would notice. Dagster's run monitoring asks a run's launcher, and Dagster's own launcher of local processes cannot tell; the
run would be shown as going on, and hold its place among the runs that may go on at once, until its maximum run time. Four such runs
and the queue stands still. As failed runs they are tried again at once, or by whoever started them.

Who looks: `kb up` before it starts the daemon, every command that runs something, and, through local/run_launcher.py, the run monitoring
of the daemon. How one knows that a run's process is gone:

    a command (`kb refresh`)   its run names the process by pid and start, and a file of the home that the process holds locked: the lock
                               tells it also where pids say nothing, as in a container that was made anew
    a process of the daemon's  its run names the home that launched it, and the process has written its pid into the run's log
"""

import json
import os
import socket
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kb_platform.local.dagster_home import open_instance
from kb_platform.local.lock import exclusive, is_held
from kb_platform.local.processes import ProcessRecord, began_before, is_live, is_running, this_process
from kb_platform.settings import Settings, environment_kept

if TYPE_CHECKING:
    from dagster import DagsterInstance, DagsterRun

PROCESS_TAG, LAUNCHED_TAG = "kb/process", "kb/launched"


@contextmanager
def process_tags(home: Path) -> Iterator[dict[str, str]]:
    """Yield the tags of a command's runs: how to see whether its process lives, and that the daemon must not try them again."""
    path = _locks(home) / uuid.uuid4().hex
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with exclusive(path):
        said = {"host": socket.gethostname(), "lock": path.name, **asdict(this_process())}
        try:
            yield {PROCESS_TAG: json.dumps(said), "dagster/max_retries": "0"}
        finally:
            path.unlink(missing_ok=True)


def launched_tags(home: Path) -> dict[str, str]:
    """Return the tag of a run whose process the home's daemon starts."""
    return {LAUNCHED_TAG: json.dumps({"host": socket.gethostname(), "home": str(home.resolve())})}


def fail_orphaned_runs(settings: Settings) -> int:
    """Record as failed what cannot be running any more; return how many runs that were.

    To be called only while no process of the home's daemon runs: what that had launched has ended, too.
    """
    home = settings.home
    with environment_kept(), open_instance(settings) as instance:
        return fail_abandoned_runs(instance, home) + _fail(
            instance, lambda run: _was_launched_here(run, home), "The run's process ended together with the daemon, without a last word.")


def fail_abandoned_runs(instance: "DagsterInstance", home: Path) -> int:
    """Record as failed the runs of this home or machine whose process is gone; return how many runs that were."""
    failed = _fail(instance, lambda run: is_abandoned(instance, home, run), "The run's process ended without a last word.")
    _forget_locks(home)
    return failed


def is_abandoned(instance: "DagsterInstance", home: Path, run: "DagsterRun") -> bool:
    """Tell whether the process of a run that is at hand is known to be gone; of processes elsewhere nothing is known."""
    if PROCESS_TAG in run.tags and run.parent_run_id is None:  # a run that repeats another one has its tags
        return _has_ended(home, _read(run, PROCESS_TAG))
    if _was_launched_here(run, home):
        started = _started(instance, run)  # None: still starting, for which Dagster has a time-out
        return started is not None and not (is_live(started[0]) and began_before(*started))
    return False


def _has_ended(home: Path, said: Mapping[str, Any]) -> bool:
    lock = _locks(home) / str(said.get("lock", ""))
    if said.get("lock") and lock.is_file() and not is_held(lock):
        return True
    return said.get("host") == socket.gethostname() and not is_running(ProcessRecord(said.get("pid", 0), said.get("mark", "")))


def _was_launched_here(run: "DagsterRun", home: Path) -> bool:
    return _read(run, LAUNCHED_TAG) == json.loads(launched_tags(home)[LAUNCHED_TAG])


def _started(instance: "DagsterInstance", run: "DagsterRun") -> tuple[int, float] | None:
    """Return the pid that the run's process has written into its log, and when."""
    from dagster import DagsterEventType

    for entry in instance.all_logs(run.run_id, of_type=DagsterEventType.ENGINE_EVENT):
        event = entry.dagster_event
        if event and (event.message or "").startswith("Started process for run (pid: "):
            return int(str(event.engine_event_data.metadata["pid"].value)), entry.timestamp
    return None


def _read(run: "DagsterRun", tag: str) -> dict[str, Any]:
    try:
        said = json.loads(run.tags.get(tag, "{}"))
    except ValueError:  # somebody's own tag: nothing is known of its process
        return {}
    return said if isinstance(said, dict) else {}


def _fail(instance: "DagsterInstance", concerns: "Callable[[DagsterRun], bool]", message: str) -> int:
    from dagster import DagsterRunStatus, RunsFilter

    at_hand = [DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
    runs = [run for run in instance.get_runs(RunsFilter(statuses=at_hand)) if concerns(run)]
    for run in runs:
        instance.report_run_failed(run, message)
    return len(runs)


def _locks(home: Path) -> Path:
    return home / "dagster" / "commands"


def _forget_locks(home: Path) -> None:
    """Remove the files of processes that are gone, once their runs are recorded as failed."""
    folder = _locks(home)
    for name in os.listdir(folder) if folder.is_dir() else ():
        if not is_held(folder / name):
            (folder / name).unlink(missing_ok=True)
