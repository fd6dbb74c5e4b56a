"""The rule of the chain. It is applied twice: by the trigger in the database when a row is inserted, and here when it is checked.

    hash = SHA-256 of the UTF-8 bytes of

        kb-audit-1 LF
        <number of the row, from 1, without a gap> LF
        <hash of the row before, in hex; 64 zeros for the first> LF
        <time of recording in UTC, as 2026-11-25T08:15:00.250000Z> LF
        <the entry's text, see entries.py>

A changed, removed, inserted or moved row no longer follows from the rows before it. Whoever can rewrite all rows behind it can
rewrite the hashes too, and whoever removes the last rows leaves a chain that holds: seals.py is against those.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from kb_audit.entries import utc

BEGINNING = bytes(32)


@dataclass(frozen=True)
class Row:
    """A row as the database holds it. The last four are columns drawn from the text, by which rows are found."""

    number: int
    previous: bytes
    hash: bytes
    recorded_at: dt.datetime
    text: str
    event: str
    review: str
    knowledge_base: str
    case: int

    @cached_property
    def entry(self) -> Mapping[str, Any]:
        """Return the entry; an empty one where the text is no JSON object, which a chain that holds has not."""
        try:
            found = json.loads(self.text)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class Break:
    """The first row that does not hold."""

    number: int
    found: str


def link(number: int, previous: bytes, recorded_at: dt.datetime, text: str) -> bytes:
    """Return the hash of a row."""
    return hashlib.sha256(f"kb-audit-1\n{number}\n{previous.hex()}\n{utc(recorded_at)}\n{text}".encode()).digest()


def check(row: Row, number: int, previous: bytes) -> Break | None:
    """Return what is wrong with the row that should have this number and follow a row of that hash."""
    if row.number > number:
        return Break(number, f"rows {number} to {row.number - 1} are missing" if row.number > number + 1 else f"row {number} is missing")
    if row.number < number:
        return Break(row.number, "this number comes twice")
    if row.hash != link(row.number, row.previous, row.recorded_at, row.text):
        return Break(row.number, "it is not what was recorded: its hash belongs to another content, time or place")
    if row.previous != previous:
        return Break(max(number - 1, 1), f"row {number} was linked to another row before it")
    if _columns(row) != (row.event, row.review, row.knowledge_base, row.case):
        return Break(row.number, "the columns that it is found by are not those of its text")
    return None


def _columns(row: Row) -> tuple[Any, ...]:
    return tuple(row.entry.get(key) for key in ("event", "review", "knowledge_base", "case"))
