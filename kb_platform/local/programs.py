"""The servers of a home beside Postgres: each a detached process with a record, started anew when it should run otherwise.

What runs as it should is left alone; what died is started; what was started with other arguments or variables (or with the address
that another server had before) is started anew.
"""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError

from kb_platform.knowledge.errors import StateError, TransientError
from kb_platform.local import processes
from kb_platform.local.dagster_pages import DIRECTLY
from kb_platform.local.postgres import Report
from kb_platform.local.processes import ProcessRecord

POLL = 0.2  # seconds
STOPPING = 20  # seconds that processes get to end what they are at
READY = 5  # seconds that a monitor may take to answer
CHOICES = 3  # of ports
TAKEN = "address already in use"
LAST = 20  # lines of a log that tell why a program stopped


def _nothing() -> str:
    return ""


@dataclass(frozen=True)
class Program:
    """A server: what runs, and how one knows that it answers.

    `variables` make its identity, with the arguments; `inherited` are there too, and may change without a new start. `before_start`
    clears up what one before it has left, and says in a few words what it did.
    """

    name: str
    title: str
    argv: Sequence[str]
    variables: Mapping[str, str] = field(repr=False)
    inherited: Mapping[str, str] = field(repr=False)
    answers: Callable[[], bool]
    waiting: str
    before_start: Callable[[], str] = _nothing


class PortTaken(StateError):
    """A program stopped because another one listens on its port, which was free when it was chosen."""


def on_free_ports(bring_up: Callable[[], None]) -> None:
    """Call what chooses ports and starts programs on them; again where somebody else takes one before the program does.

    Raises:
        StateError: it was so each time, or something else is wrong.
    """
    for _ in range(CHOICES - 1):
        with suppress(PortTaken):
            bring_up()
            return
    bring_up()


def ensure(home: Path, program: Program, report: Report) -> None:
    """Start a program unless it runs as it should."""
    path = record_path(home, program.name)
    digest = hashlib.sha256(repr((list(program.argv), sorted(program.variables.items()))).encode()).hexdigest()
    record = processes.load(path)
    if record and processes.is_running(record) and record.digest == digest:
        return
    if record:  # it died, had to be killed, or was started with other settings: one that was stopped in order has no record
        processes.stop(processes.session(record), patience=STOPPING)
    if did := program.before_start():  # also after one that was stopped in order: its runs may have been killed before
        report(did)
    report(f"starting {program.title}")
    # Not this process's working folder: it may be removed, and a module of the same name there would be loaded instead.
    processes.start(program.argv, environment={**program.inherited, **program.variables}, log=log_path(home, program.name), folder=path.parent,
                    digest=digest, record_at=path)


def wait(home: Path, program: Program, report: Report, patience: float) -> None:
    """Return once a program answers.

    Raises:
        PortTaken: it stopped because another one listens on its port.
        StateError: it stopped while starting, for another reason.
        TransientError: it did not answer in time.
    """
    report(program.waiting)
    deadline = time.monotonic() + patience
    while not program.answers():
        require_running(home, program)
        if time.monotonic() > deadline:
            raise TransientError(
                f"{program.title} did not answer within {patience:.0f} s", where=str(log_path(home, program.name)), action="see the log, then `kb up` again",
            )
        time.sleep(POLL)
    require_running(home, program)


def require_running(home: Path, program: Program) -> None:
    """Return if a program that was started still runs: what answers may be another home's, which listens on the port that this one wanted.

    Raises:
        PortTaken: it stopped because another one listens on its port.
        StateError: it stopped for another reason.
    """
    if running(home, program.name) is None:
        log = log_path(home, program.name)
        said = log.read_text(errors="replace").strip().splitlines()[-LAST:]
        stopped = PortTaken if any(TAKEN in line.lower() for line in said) else StateError
        raise stopped(f"{program.title} stopped while starting: {' | '.join(said[-3:])}", where=str(log))


def is_ready(host: str, port: int) -> bool:
    """Tell whether a program of ours says at its monitor's port that it is ready."""
    try:
        with DIRECTLY.open(f"http://{host}:{port}/readyz", timeout=READY):
            return True
    except (URLError, OSError):
        return False


def stop(home: Path, names: Sequence[str]) -> None:
    """Stop programs together. The record of one that had to be killed stays: it tells of a crash."""
    records = [processes.load(record_path(home, name)) for name in names]
    if processes.stop([p for r in records if r for p in processes.session(r)], patience=STOPPING):
        for name in names:
            record_path(home, name).unlink(missing_ok=True)


def running(home: Path, name: str) -> ProcessRecord | None:
    """Return the record of a program that runs."""
    record = processes.load(record_path(home, name))
    return record if record and processes.is_running(record) else None


def any_runs(home: Path) -> bool:
    """Tell whether any program of the home runs: then `kb up` was here, and the database is not a command's to stop."""
    return any(running(home, path.stem) for path in (home / "dagster").glob("*.json"))


def record_path(home: Path, name: str) -> Path:
    """Return where a program's record is kept."""
    return home / "dagster" / f"{name}.json"


def log_path(home: Path, name: str) -> Path:
    """Return where a program's log is kept."""
    return home / "logs" / f"{name}.log"
