"""Maintenance and the writing steps of a refresh take turns: any number of steps at once, or maintenance alone.

Nothing rests on it: what may be deleted is decided by the database, step or no step. It keeps maintenance from rebuilding an index
that is being filled, and from removing vectors and files that a step has just found to be there. The lock is a transaction's, on a
connection of its own, so that it goes when the process goes, and holds behind a pooler.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Concatenate, LiteralString, ParamSpec, TypeVar

from kb_platform.storage.database import Database, Role
from kb_platform.storage.stores import Store

P = ParamSpec("P")
R = TypeVar("R")


def taking_turns(step: Callable[Concatenate[Store, P], R]) -> Callable[Concatenate[Store, P], R]:
    """Let a step of a refresh wait while maintenance goes on, and maintenance stay away while the step does."""

    @wraps(step)
    def in_turn(store: Store, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with _locked(store.database, "writer", "pg_advisory_xact_lock_shared"):
            return step(store, *args, **kwargs)

    return in_turn


@contextmanager
def alone(database: Database) -> Iterator[bool]:
    """Yield whether maintenance may begin: no step of a refresh goes on, no other maintenance, and none begins until the block ends."""
    with _locked(database, "collector", "pg_try_advisory_xact_lock") as free:
        yield free


@contextmanager
def _locked(database: Database, role: Role, function: LiteralString) -> Iterator[bool]:
    """Take a lock in a transaction that may be idle for hours; yield what the function said. Closing the connection ends it.

    The timeouts are set after the lock, by statements without a snapshot: the lock's own would be held until the next statement, and
    REINDEX and VACUUM would wait for it, or see dead rows that this transaction might want.
    """
    with database.session(role) as c:
        c.execute("begin")
        taken = c.execute(f"select {function}(hashtextextended(%s, 2))", (database.schema,)).fetchall()[0][0]
        if c.info.server_version >= 170000:
            c.execute("set local transaction_timeout = 0")
        c.execute("set local idle_in_transaction_session_timeout = 0")
        yield taken is not False
