"""What was done to the guards themselves: noted by an event trigger (migrations/sql/0004_audit.sql)."""

import datetime as dt
from dataclasses import dataclass

from kb_platform.storage.database import Database


@dataclass(frozen=True)
class GuardChange:
    """One change of a table, trigger, policy or function that the platform did not make itself, and the guards that were off after it."""

    at: dt.datetime
    by_user: str
    command: str
    object: str
    guards_off: list[str]


def guard_changes(database: Database) -> list[GuardChange]:
    """Return the changes that the platform did not make, oldest first."""
    with database.transaction("gate") as c:
        return [GuardChange(*row) for row in c.execute(
            "select at, by_user, command, object, guards_off from guard_change where not by_platform order by id")]
