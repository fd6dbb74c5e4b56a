"""How long a lock is waited for. Locks are on tables that only those may lock who have a right on them (migrations/sql/0008_seals.sql)."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from kb_platform.knowledge.errors import TransientError

PATIENCE = "30min"  # longer than any step of a refresh, or of maintenance, should hold one


@contextmanager
def patience(connection: psycopg.Connection, what: str, look: str = "which run that is in Dagster's pages") -> Iterator[None]:
    """Wait for locks within the block for PATIENCE, and for as long as it takes after it.

    Raises:
        TransientError: it was not to be had in that time; `what` says who has it, `look` what to see.
    """
    connection.execute(f"set local lock_timeout = '{PATIENCE}'".encode())
    try:
        yield
    except psycopg.errors.LockNotAvailable as error:
        raise TransientError(f"{what}, and has for {PATIENCE}", action=f"see {look}, and try again") from error
    connection.execute("set local lock_timeout = 0")
