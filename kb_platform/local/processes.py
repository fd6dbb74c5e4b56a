"""Detached processes: started in a session of their own, known again by pid and start, stopped as a whole session.

A pid alone says nothing once its process is gone: the system gives it to another. So each record keeps the process's start as
well, and nothing is ever signalled whose start differs. Each process leads its own session: it outlives the terminal and the
process that started it, Ctrl-C does not reach it, and its children are found by the session even after it was killed.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from kb_platform.local.process_marks import mark_of

POLL = 0.05  # seconds
LOG_LIMIT = 10_000_000  # bytes after which a log begins anew at the next start; the one before it is kept


@dataclass(frozen=True)
class Owner:
    """The user and group a process runs as."""

    uid: int
    gid: int


@dataclass(frozen=True)
class ProcessRecord:
    """A process that was started: `mark` tells it from a later one with the same pid, `digest` what it was started with."""

    pid: int
    mark: str
    digest: str = ""

    def save(self, path: Path) -> None:
        """Write the record, whole or not at all."""
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        draft.write_text(json.dumps(asdict(self)))
        draft.replace(path)


def this_process() -> ProcessRecord:
    """Return the record by which others may know this very process."""
    return ProcessRecord(os.getpid(), _mark(os.getpid()))


def load(path: Path) -> ProcessRecord | None:
    """Return the record at `path`, or None where there is none that can be read."""
    try:
        found = ProcessRecord(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    known = type(found.pid) is int and 0 < found.pid < 2**31 and isinstance(found.mark, str) and isinstance(found.digest, str)
    return found if known else None


WAITING = ("/bin/sh", "-c", 'read -r go && exec "$@" </dev/null', "sh")  # becomes the program once it is told to, and ends if nobody is left to tell it


def start(
    argv: Sequence[str | Path], *, environment: Mapping[str, str], log: Path, folder: Path, owner: Owner | None = None,
    digest: str = "", record_at: Path | None = None,
) -> ProcessRecord:
    """Start a process that outlives this one, appending what it prints to `log`.

    With `record_at` it begins when its record is there: whoever is killed on the way leaves no process that nobody knows of.
    """
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_name(f"{log.name}.1"))
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        process = subprocess.Popen(
            [*(WAITING if record_at else ()), *map(str, argv)], env=dict(environment), cwd=folder, start_new_session=True, **as_user(owner),
            stdin=subprocess.PIPE if record_at else subprocess.DEVNULL, stdout=descriptor, stderr=descriptor,
        )
    finally:
        os.close(descriptor)
    record = ProcessRecord(process.pid, _mark(process.pid), digest)
    if record_at and process.stdin:
        record.save(record_at)
        with suppress(BrokenPipeError), process.stdin:  # it has ended already, as whoever waits for it will see
            process.stdin.write(b"go\n")
    process.returncode = 0  # left running on purpose: else Popen complains when this object is collected
    return record


def as_user(owner: Owner | None) -> dict:
    """Return the arguments by which `subprocess` runs something as another user (needs root)."""
    return {"user": owner.uid, "group": owner.gid, "extra_groups": []} if owner else {}


def is_running(record: ProcessRecord | None) -> bool:
    """Tell whether the recorded process itself still runs."""
    return record is not None and _mark(record.pid) == record.mark and is_live(record.pid)


def is_live(pid: int) -> bool:
    """Tell whether a process with that pid runs; one that has ended and waits to be collected does not."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # collects it if it was started by this very process
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


def began_before(pid: int, time_of_day: float) -> bool:
    """Tell whether the process with that pid was there at a time (seconds since 1970): a later one has nothing to do with it."""
    try:
        return psutil.Process(pid).create_time() <= time_of_day + 1  # the system rounds it
    except psutil.NoSuchProcess:
        return False


def at(pid: int) -> list[psutil.Process]:
    """Return the process with that pid; none if it has ended meanwhile."""
    try:
        return [psutil.Process(pid)]
    except psutil.NoSuchProcess:
        return []


def session(record: ProcessRecord) -> list[psutil.Process]:
    """Return every running process of the recorded process's session, itself included while it runs."""
    if _mark(record.pid) not in ("", record.mark):
        return []  # the pid belongs to another process now, which the system allows only once the whole session has ended
    return [p for pid in psutil.pids() if _session_of(pid) == record.pid and is_live(pid) for p in at(pid)]


def stop(processes: Iterable[psutil.Process], *, with_signal: int = signal.SIGTERM, patience: float = 20) -> bool:
    """End processes: ask, wait up to `patience` seconds, then kill what is left. Tell whether all went without being killed."""
    left = _signal_and_wait(list(processes), with_signal, patience)
    if left:
        _signal_and_wait(left, signal.SIGKILL, 10)
    return not left


def _signal_and_wait(processes: list[psutil.Process], number: int, patience: float) -> list[psutil.Process]:
    """Return those still running at the end.

    A process that has ended counts as gone although no parent has collected it yet: an orphan's new parent may take its time,
    or, as the first process of a container, never do it.
    """
    deadline = time.monotonic() + patience
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
    while (processes := [p for p in processes if is_live(p.pid) and p.is_running()]) and time.monotonic() < deadline:
        time.sleep(POLL)
    return processes


def _session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return -1


def _mark(pid: int) -> str:
    """Return what tells a process from any other that ever had its pid, or "" where there is none."""
    if (mark := mark_of(pid)) is not None:
        return mark
    try:
        return f"{psutil.Process(pid).create_time():.3f}"
    except psutil.NoSuchProcess:
        return ""
