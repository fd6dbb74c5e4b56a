"""Everything up, everything down, and how it stands: what the command line calls.

`up` may be repeated at any time: what runs as it should is left alone, what died is started, and what was started with other
settings (or with the address Postgres had before) is started anew. An interrupted `up` leaves running what it had started; the
next `up` or `down` finds it.
"""

import hashlib
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kb_platform.knowledge.errors import StateError, TransientError
from kb_platform.local import dagster_pages, ports, processes
from kb_platform.local.dagster_home import write_dagster_home
from kb_platform.local.environment import ensure_database, environment, is_embedded
from kb_platform.local.lock import exclusive
from kb_platform.local.orphans import fail_orphaned_runs
from kb_platform.local.places import make_home
from kb_platform.local.postgres import Report, running_postgres, silent, stop_postgres
from kb_platform.local.processes import ProcessRecord
from kb_platform.settings import Settings, inherited_environment

SERVICES = ("webserver", "daemon")
POLL = 0.2  # seconds
STOPPING = 20  # seconds that Dagster's processes get to end the runs at hand


@dataclass(frozen=True)
class Service:
    """One of the servers: its process, None while it does not run; where it answers; its log."""

    name: str
    pid: int | None
    address: str
    log: Path | None


@dataclass(frozen=True)
class Standing:
    """How a home stands. `code_locations` is empty unless the webserver answers."""

    services: tuple[Service, ...]
    code_locations: tuple[dagster_pages.CodeLocation, ...]

    @property
    def pages(self) -> str:
        """Return the URL of Dagster's pages, or "" while they are not served."""
        return next((s.address for s in self.services if s.name == "webserver" and s.pid), "")


def up(settings: Settings, *, workspace: Path | None = None, report: Report = silent, patience: float = 180) -> Standing:
    """Start what does not run, and return once all of it answers.

    Code that does not load is no reason to fail: the pages show why, and so do the returned `code_locations`.

    Args:
        settings: the home, and how it is served.
        workspace: another workspace file than the platform's own.
        report: is told in a few words what is being waited for.
        patience: seconds for Dagster's processes to answer.

    Raises:
        StateError: something cannot run here, or stopped while starting.
        TransientError: something did not answer in time.
    """
    make_home(settings.home)
    ensure_database(settings, report)
    with exclusive(settings.home / "dagster" / "lock"):
        variables, own = environment(settings), write_dagster_home(settings.home)
        port = _port(settings)
        arguments = {
            "webserver": ["-m", "dagster_webserver", "-h", settings.dagster_host, "-p", str(port)],
            "daemon": ["-m", "dagster._daemon", "run"],
        }
        for name in SERVICES:
            _ensure_service(settings, name, [sys.executable, *arguments[name], "-w", str(workspace or own)], variables, report)
        url = _url(settings.dagster_host, port)
        report("waiting for Dagster's pages to load the code")
        _wait(settings.home, "webserver", lambda: dagster_pages.answers(url), patience)
        report("waiting for Dagster's daemon")
        began = _record_path(settings.home, "daemon").stat().st_mtime
        _wait(settings.home, "daemon", lambda: not dagster_pages.silent_daemons(url, began), patience)
    return status(settings)


def status(settings: Settings) -> Standing:
    """Return how the home stands, without starting anything."""
    home, found = settings.home, []
    postgres = running_postgres(home) if is_embedded(settings) else None
    if is_embedded(settings):
        address = f"127.0.0.1:{postgres.port}" if postgres else ""
        found.append(Service("postgres", postgres.pid if postgres else None, address, home / "logs" / "postgres.log"))
    url = _url(settings.dagster_host, _serving_port(settings) or 0)
    for name in SERVICES:
        record = processes.load(_record_path(home, name))
        pid = record.pid if record and processes.is_running(record) else None
        found.append(Service(name, pid, url if pid and name == "webserver" else "", home / "logs" / f"{name}.log"))
    standing = Standing(tuple(found), ())
    if standing.pages and dagster_pages.answers(url):
        return Standing(tuple(found), dagster_pages.code_locations(url))
    return standing


def down(settings: Settings, *, wipe: bool = False, report: Report = silent) -> None:
    """Stop everything that was started for this home; `wipe` removes the home's data, objects and logs for good.

    Runs at hand are told to end, and recorded as interrupted, before their processes are killed.
    """
    home = settings.home
    if (home / "dagster").is_dir():
        with exclusive(home / "dagster" / "lock"):
            report("stopping Dagster")
            records = [processes.load(_record_path(home, name)) for name in SERVICES]
            if processes.stop([p for r in records if r for p in processes.session(r)], patience=STOPPING):
                for name in SERVICES:
                    _record_path(home, name).unlink(missing_ok=True)
    report("stopping Postgres")
    stop_postgres(home, wipe=wipe)
    if wipe:
        for name in ("dagster", "logs", "objects"):
            shutil.rmtree(home / name, ignore_errors=True)
        if home.is_dir() and not any(home.iterdir()):
            home.rmdir()


def _ensure_service(settings: Settings, name: str, argv: list[str], variables: Mapping[str, str], report: Report) -> None:
    path = _record_path(settings.home, name)
    digest = hashlib.sha256(repr((argv, sorted(variables.items()))).encode()).hexdigest()
    record = processes.load(path)
    if record and processes.is_running(record) and record.digest == digest:
        return
    if record:  # it died, had to be killed, or was started with other settings: one that was stopped in order has no record
        processes.stop(processes.session(record), patience=STOPPING)
        if name == "daemon" and fail_orphaned_runs(settings):
            report("recorded the runs that were cut off as failed")
    report(f"starting Dagster's {name}")
    # Not this process's working folder: it may be removed, and a module of the same name there would be loaded instead.
    log, folder = settings.home / "logs" / f"{name}.log", path.parent
    processes.start(argv, environment=inherited_environment(variables), log=log, folder=folder, digest=digest).save(path)


def _wait(home: Path, name: str, is_ready: Callable[[], bool], patience: float) -> None:
    deadline, log = time.monotonic() + patience, home / "logs" / f"{name}.log"
    while not is_ready():
        if not processes.is_running(processes.load(_record_path(home, name))):
            last = log.read_text(errors="replace").strip().splitlines()[-3:]
            raise StateError(f"Dagster's {name} stopped while starting: {' | '.join(last)}", where=str(log))
        if time.monotonic() > deadline:
            raise TransientError(
                f"Dagster's {name} did not answer within {patience:.0f} s", where=str(log),
                action="see the log, then `kb up` again",
            )
        time.sleep(POLL)


def _record_path(home: Path, name: str) -> Path:
    return home / "dagster" / f"{name}.json"


def _port(settings: Settings) -> int:
    """Return the port to serve the pages on: the running webserver's own if it may stay there, else a free one."""
    running: ProcessRecord | None = processes.load(_record_path(settings.home, "webserver"))
    memory = settings.home / "dagster" / "port"
    wanted, serving = settings.dagster_port, ports.remembered(memory)
    if processes.is_running(running) and serving and wanted in (0, serving):
        return serving
    if wanted == 0:
        return ports.choose(memory, settings.dagster_host)
    if not ports.is_free(wanted, settings.dagster_host):
        raise StateError(
            f"port {wanted} is taken by another program", where="KB_DAGSTER_PORT", action="name another port, or leave it unset",
        )
    memory.write_text(f"{wanted}\n")
    return wanted


def _serving_port(settings: Settings) -> int | None:
    return ports.remembered(settings.home / "dagster" / "port")


def _url(host: str, port: int) -> str:
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104  translated, not bound
    return f"http://{reachable}:{port}"
