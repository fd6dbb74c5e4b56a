"""The secrets of a home: each made once and never replaced, all kept in one file that only its owner can read.

The password of the embedded Postgres, the key that verdicts are signed with, and what reviews on this machine need: the key of Temporal's payloads, the key that seals the
audit trail. Whoever adds one holds the lock of `postgres`.
"""

import json
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from kb_platform.knowledge.errors import StateError

PASSWORD, GATE_KEY = "postgres_password", "gate_key"
Maker = Callable[[Mapping[str, str]], str]
"""Makes a secret, given those that are there."""


def password(home: Path) -> str:
    """Return the database password of the home, made on first use and kept in `secrets.json` (mode 0600)."""
    return kept(home, {PASSWORD: lambda _: secrets.token_urlsafe(32)})[PASSWORD]


def read_password(home: Path) -> str | None:
    """Return the password, or None where the home has none yet.

    Raises:
        StateError: the file is not what this module writes.
    """
    return read_secrets(home).get(PASSWORD)


def kept(home: Path, makers: Mapping[str, Maker]) -> dict[str, str]:
    """Return secrets of the home. Those that are missing are made, in the order of their makers, and written down together."""
    found = read_secrets(home)
    missing = [name for name in makers if name not in found]
    for name in missing:
        found[name] = makers[name](found)
    if missing:
        _write(home / "secrets.json", found)
    return {name: found[name] for name in makers}


def read_secrets(home: Path) -> dict[str, str]:
    """Return all secrets of the home; none where it has no file of them.

    Raises:
        StateError: the file is not what this module writes.
    """
    path = home / "secrets.json"
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError:
        found = None
    if not found or not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise StateError(
            "no password can be read from it", where=str(path), expected='{"postgres_password": "..."}',
            action="restore the file, or `kb down --wipe` to begin anew",
        )
    return found


def _write(path: Path, values: Mapping[str, str]) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(values, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
