"""Where the search API of a home answers, for commands of that home: written by the server while it asks for no keys, read without libraries.

It says which process answers there, so that no question goes to another program which has the port by now, and which database and definitions it
serves, so that a command that was told of others asks those. Where a process cannot be told from another without libraries, nobody finds it.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from kb_platform.local.process_marks import mark_of


class Address(NamedTuple):
    """Where a server answers."""

    host: str
    port: int


def announcement(home: Path) -> Path:
    """Return where it is written."""
    return home / "dagster" / "search-api.address"


@contextmanager
def announced(home: Path, host: str, port: int, defs: str, database_url: str, *, embedded: bool) -> Iterator[None]:
    """Say where the API answers, until the block ends. `embedded`: the database is the home's own, which commands find without a variable.

    A server that is announced already stays so while it runs: it may be that of `kb up`, and would not be found any more after this one's end.
    """
    path, folder = announcement(home), announcement(home).parent
    if not folder.is_dir() or _running(home) is not None:  # without the folder it is no home of this machine: nobody looks there
        yield
        return
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    said = {"host": host, "port": port, "pid": os.getpid(), "mark": mark_of(os.getpid()), "defs": defs, "database": _fingerprint(database_url),
            "embedded": embedded}
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(said, file)
    draft.replace(path)
    try:
        yield
    finally:
        with suppress(OSError):
            if json.loads(path.read_text()) == said:
                path.unlink()


def find_address(home: Path, defs: str, database_url: str | None) -> Address | None:
    """Return where a home's API answers that serves these definitions and this database; None where there is none."""
    said = _running(home)
    try:
        serves = said and said["defs"] == defs and (said["embedded"] if database_url is None else said["database"] == _fingerprint(database_url))
        return Address(said["host"], int(said["port"])) if said and serves else None
    except (ValueError, KeyError, TypeError):
        return None


def _running(home: Path) -> dict[str, Any] | None:
    """Return what the server has said that is announced; None where there is none that runs."""
    try:
        said = json.loads(announcement(home).read_text())
        return said if said["mark"] and said["mark"] == mark_of(said["pid"]) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _fingerprint(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()
