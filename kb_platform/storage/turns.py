"""Maintenance and the writing steps of a refresh take turns: any number of steps at once, or maintenance alone.

Nothing rests on it: what may be deleted is decided by the database, step or no step. It keeps maintenance from rebuilding an index
that is being filled, and from removing vectors and files that a step has just found to be there. The lock is a transaction's, on a
connection of its own, so that it goes when the process goes, and holds behind a pooler.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import wraps
from typing import Concatenate, LiteralString, ParamSpec, TypeVar

import psycopg

from kb_platform.storage.database import Database, Role
from kb_platform.storage.locks import patience
from kb_platform.storage.stores import Store

P = ParamSpec("P")
R = TypeVar("R")


def taking_turns(step: Callable[Concatenate[Store, P], R]) -> Callable[Concatenate[Store, P], R]:
    """Let a step of a refresh wait while maintenance goes on, and maintenance stay away while the step does."""

    @wraps(step)
    def in_turn(store: Store, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with _locked(store.database, "writer", "row exclusive mode", f"{store.database.name}: maintenance goes on"):
            return step(store, *args, **kwargs)

    return in_turn


@contextmanager
def alone(database: Database) -> Iterator[bool]:
    """Yield whether maintenance may begin: no step of a refresh goes on, no other maintenance, and none begins until the block ends."""
    with ExitStack() as held:
        try:
            held.enter_context(_locked(database, "collector", "exclusive mode nowait"))
        except psycopg.errors.LockNotAvailable:
            yield False
            return
        yield True


@contextmanager
def _locked(database: Database, role: Role, mode: LiteralString, waiting: str = "") -> Iterator[None]:
    """Take a lock in a transaction that may be idle for hours; closing the connection ends it. `waiting` says what is waited for.

    Everything here is a statement without a snapshot: that would be held until the next statement, and REINDEX and VACUUM would wait for
    it, or see dead rows that this transaction might want. Nor does a lock on a table need a transaction id, which would do the same.
    """
    with database.session(role) as c:
        c.execute("begin")
        with patience(c, waiting) if waiting else nullcontext():
            c.execute(f"lock table turn_of_maintenance in {mode}")
        if c.info.server_version >= 170000:
            c.execute("set local transaction_timeout = 0")
        c.execute("set local idle_in_transaction_session_timeout = 0")
        yield
