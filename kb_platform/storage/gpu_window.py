"""What people did to the GPU window by hand: a log that is only ever added to."""

import datetime as dt
from typing import Literal

from kb_platform.knowledge.gpu_window import Change
from kb_platform.storage.deployment import DeploymentDatabase

COLUMNS = "action, at, until, by_name, reason"


def record_change(database: DeploymentDatabase, action: Literal["open", "close"], until: dt.datetime, by: str, reason: str) -> Change:
    """Add a change, which counts from now on in place of the one before it."""
    with database.transaction("writer") as c:
        row = c.execute(f"insert into gpu_window_change (action, until, by_name, reason) values (%s, %s, %s, %s) returning {COLUMNS}",
                        (action, until, by, reason)).fetchone()
    assert row is not None
    return Change(*row)


def changes(database: DeploymentDatabase, limit: int) -> list[Change]:
    """Return the newest changes, the newest first."""
    with database.transaction("reader") as c:
        return [Change(*row) for row in c.execute(f"select {COLUMNS} from gpu_window_change order by change_id desc limit %s", (limit,))]
