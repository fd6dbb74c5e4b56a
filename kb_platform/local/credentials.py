"""The password of the embedded Postgres: made once, kept in one file that only its owner can read."""

import json
import os
import secrets
from pathlib import Path

from kb_platform.knowledge.errors import StateError


def password(home: Path) -> str:
    """Return the database password of the home, made on first use and kept in `secrets.json` (mode 0600)."""
    return read_password(home) or _make_password(home / "secrets.json")


def read_password(home: Path) -> str | None:
    """Return the password, or None where the home has none yet.

    Raises:
        StateError: the file is not what this module writes.
    """
    path = home / "secrets.json"
    try:
        return str(json.loads(path.read_text())["postgres_password"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise StateError(
            "no password can be read from it", where=str(path), expected='{"postgres_password": "..."}',
            action="restore the file, or `kb down --wipe` to begin anew",
        ) from error


def _make_password(path: Path) -> str:
    word = secrets.token_urlsafe(32)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump({"postgres_password": word}, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    return word
