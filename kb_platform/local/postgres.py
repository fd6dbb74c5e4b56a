"""Starts, finds and stops the Postgres server of one home.

`ensure_postgres` may be called by anyone at any time: it takes the lock, looks whether the server runs, clears what a crash left,
starts it if need be, and returns only once it accepts connections. The server belongs to no process: it keeps running when
whoever started it is killed, and it stops when `stop_postgres` says so.
"""

import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from kb_platform.knowledge.errors import StateError, TransientError
from kb_platform.local import cluster, configuration, credentials, databases, places, ports, processes, software
from kb_platform.local.lock import exclusive
from kb_platform.local.places import Places, make_folder, make_home, places_of

HOST = "127.0.0.1"
POLL = 0.05  # seconds
Report = Callable[[str], None]


@dataclass(frozen=True)
class PostgresAddress:
    """Where a running server answers, and as whom to log in."""

    port: int
    password: str = field(repr=False)

    def url(self, database: str = databases.KNOWLEDGE) -> str:
        """Return the libpq URL of one of its databases. It holds the password: not for logs or arguments."""
        return f"postgresql://{cluster.OWNER_ROLE}:{self.password}@{HOST}:{self.port}/{database}"


def silent(message: str) -> None:
    """Report nothing."""


def ensure_postgres(
    home: Path, *, dagster_database: str = "dagster", report: Report = silent, patience: float = 300
) -> PostgresAddress:
    """Return the address of the home's server, started and prepared if it was not.

    `patience` is the longest wait in seconds for it to accept connections; recovery after a crash replays at most 2 GB of log.

    Raises:
        StateError: the server cannot run here; the message says why and what to do.
        TransientError: it runs but did not accept connections in time.
    """
    make_home(home)
    with exclusive(home / "postgres" / "lock"):
        place = places_of(home)
        make_folder(place)
        password = _password(place)
        running = cluster.postmaster(place.data)
        if running is None or running.state == "stopping":
            report("starting Postgres")
            running = _start(place, password, patience)
        elif running.state != "ready":
            report("waiting for Postgres")
            running = _until_ready(place, running.pid, patience)
        address = PostgresAddress(running.port, password)
        databases.prepare_embedded(address.url(), dagster_database)
        return address


def postgres_address(home: Path) -> PostgresAddress | None:
    """Return the address of the home's server if it runs, without starting anything."""
    running, password = running_postgres(home), credentials.read_password(home)
    return PostgresAddress(running.port, password) if running and password else None


def running_postgres(home: Path) -> cluster.Postmaster | None:
    """Return the process of the home's server if it runs."""
    return cluster.postmaster(places_of(home).data)


def stop_postgres(home: Path, *, wipe: bool = False, patience: float = 60) -> None:
    """Stop the home's server: connections are ended, the data are written out. With `wipe`, remove the data as well."""
    if not home.is_dir() and not places_of(home).folder.is_dir():
        return
    make_home(home)
    with exclusive(home / "postgres" / "lock"):
        place = places_of(home)
        _stop_all(place.data, patience)
        if wipe:
            _wipe(place)


def _wipe(place: Places) -> None:
    if place.folder.parent == places.STATE_FOLDER and place.folder.is_dir():
        shutil.rmtree(place.folder)
        with suppress(OSError):
            places.STATE_FOLDER.rmdir()  # unless another home is kept there
    shutil.rmtree(place.state)
    (place.home / "secrets.json").unlink(missing_ok=True)


def _password(place: Places) -> str:
    if place.data.exists() and credentials.read_password(place.home) is None:
        raise StateError(
            "there is a database of an earlier home, but not its password", where=str(place.data),
            expected=str(place.home / "secrets.json"), action="restore that file, or `kb down --wipe` to begin anew",
        )
    return credentials.password(place.home)


def _start(place: Places, password: str, patience: float) -> cluster.Postmaster:
    binaries = software.binaries(place, software.wheel())
    if not place.data.exists():
        cluster.initialise(place, binaries, password)
    if not (place.state / "data").exists():
        (place.state / "data").symlink_to(place.data)
    cluster.require_version(place, binaries)
    _stop_all(place.data, patience)
    for _ in range(3):  # another server may take the port between our look and our start
        port = ports.choose(place.state / "port")
        cluster.write_configuration(place, configuration.as_file(configuration.settings(configuration.this_machine(), port)))
        record = processes.start(
            [binaries / "postgres", "-D", place.data], environment=cluster.SERVER_ENVIRONMENT, log=place.log, folder=Path("/"),
            owner=place.owner,
        )
        try:
            return _until_ready(place, record.pid, patience)
        except StateError:
            if ports.is_free(port):
                raise
    raise StateError("three free ports in a row were taken before Postgres could use them", where=str(place.log))


def _until_ready(place: Places, pid: int, patience: float) -> cluster.Postmaster:
    deadline = time.monotonic() + patience
    while processes.is_live(pid):
        found = cluster.postmaster(place.data)
        if found and found.pid == pid and found.state == "ready":
            return found
        if time.monotonic() > deadline:
            raise TransientError(
                f"Postgres did not accept connections within {patience:.0f} s", where=str(place.log),
                action="it is still at work; run the command again",
            )
        time.sleep(POLL)
    lines = place.log.read_text(errors="replace").strip().splitlines()[-3:]
    raise StateError(f"Postgres stopped while starting: {' | '.join(lines)}", where=str(place.log))


def _stop_all(data: Path, patience: float) -> None:
    """Stop the server of a data folder, and every process of it that a killed postmaster left behind."""
    found = cluster.postmaster(data)
    if found:
        processes.stop(processes.at(found.pid), with_signal=signal.SIGINT, patience=patience)
    processes.stop(cluster.processes_in(data), with_signal=signal.SIGQUIT, patience=2)
    (data / "postmaster.pid").unlink(missing_ok=True)
