"""The worker's tables: schema `review` of a Postgres, through a small pool.

A failure of the database becomes an error that names its class and SQLSTATE only: Postgres quotes values in its messages, and
Temporal keeps the messages of errors.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from temporalio.exceptions import ApplicationError

SCHEMA = "review"
PATIENCE = 10.0  # seconds; an attempt of an activity has 30


class Database:
    """Connections, one transaction at a time. Used within `async with`."""

    def __init__(self, url: str, size: int = 4) -> None:
        self._pool = AsyncConnectionPool(
            url, min_size=0, max_size=size, open=False, timeout=PATIENCE, check=AsyncConnectionPool.check_connection,
            kwargs={"connect_timeout": int(PATIENCE), "options": f"-c search_path={SCHEMA}"}, name="review",
        )

    async def __aenter__(self) -> "Database":
        """Open the pool; a server that is down is noticed by the first transaction."""
        await self._pool.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self._pool.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[psycopg.AsyncConnection]:
        """Yield a connection inside one transaction.

        Raises:
            ApplicationError: of type DatabaseUnavailable or DatabaseError; both are worth another attempt.
        """
        try:
            async with self._pool.connection() as connection, connection.transaction():
                yield connection
        except (PoolTimeout, psycopg.OperationalError) as error:
            raise ApplicationError(f"the database does not answer ({type(error).__name__})", type="DatabaseUnavailable") from None
        except psycopg.Error as error:
            raise ApplicationError(f"{type(error).__name__}, SQLSTATE {error.sqlstate}", type="DatabaseError") from None

    async def answers(self) -> bool:
        """Tell whether the database answers."""
        try:
            async with self.transaction() as c:
                await c.execute("select 1")
        except ApplicationError:
            return False
        return True
