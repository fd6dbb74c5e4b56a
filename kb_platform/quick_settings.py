"""The three settings of a command that finds its server, read as settings.py reads them, without the libraries that it needs: they take longer to load than an answer."""

import os
from pathlib import Path
from typing import NamedTuple


class QuickSettings(NamedTuple):
    """Where the home is, whose definitions are meant, and whose database, where a variable names one."""

    home: Path
    defs: Path
    database_url: str | None


def quick_settings() -> QuickSettings:
    """Return what the environment says."""
    return QuickSettings(_path("KB_HOME", Path(".kb")), _path("KB_DEFS", Path(__file__).parent / "defs"), os.environ.get("KB_DATABASE_URL") or None)


def _path(variable: str, default: Path) -> Path:
    return Path(os.environ.get(variable) or default).expanduser().absolute()


def in_color() -> bool:
    """Tell whether a terminal is to be given bold and colours, as rich decides it."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


def inherited_width() -> int | None:
    """Return the columns that the environment says a terminal has."""
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdigit() else None
