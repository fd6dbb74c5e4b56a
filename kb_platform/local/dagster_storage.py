"""Dagster's storage in Postgres, by which each process keeps some connections open.

dagster-postgres alone opens one for every statement, some forty a second while a daemon and its code server have nothing to do, and looks
which tables there are for every instance, of which a code server makes one a tick, and for every event.
"""

import os
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.utils import pg_url_from_config, set_pg_statement_timeout

if TYPE_CHECKING:
    from sqlalchemy import Engine

KEPT = 8  # connections of a process at most; more are opened while more are needed at once, and closed after that
OLDEST = 300  # seconds; firewalls drop an idle connection after some minutes, and who uses it then waits long for an answer
_prepared: set[str] = set()  # addresses of databases that this process has seen the tables of


class PooledPostgresStorage(DagsterPostgresStorage):
    """Dagster's own, but for how it connects."""

    def __init__(self, postgres_url: str, should_autocreate_tables: bool = True, inst_data: Any = None) -> None:  # noqa: FBT001, FBT002  as Dagster calls it
        super().__init__(postgres_url, should_autocreate_tables and postgres_url not in _prepared, inst_data)
        _prepared.add(postgres_url)
        storages: tuple[Any, ...] = (self._run_storage, self._event_log_storage, self._schedule_storage)
        for storage in storages:
            storage._engine = _engine(postgres_url)
            storage.optimize_for_webserver = partial(_limit, storage, postgres_url)
        _look_at_the_catalogue_once(self._event_log_storage, self._run_storage)

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "PooledPostgresStorage":  # pyright: ignore[reportIncompatibleMethodOverride]  theirs names its own class
        """Return the storage that dagster.yaml describes."""
        return cls(pg_url_from_config(config_value), config_value.get("should_autocreate_tables", True), inst_data)


def _look_at_the_catalogue_once(events: Any, runs: Any) -> None:
    """Keep what tables and columns there are: they are asked for some sixty times a refresh, a tenth of what a small one takes."""
    events.has_table = _remembering(events.has_table)
    events._has_asset_key_col_on_connection = _remembering(events._has_asset_key_col_on_connection)
    runs.has_run_stats_index_cols, runs.has_backfill_id_column = map(_remembering, (runs.has_run_stats_index_cols, runs.has_backfill_id_column))


def _remembering(ask: Callable[..., bool]) -> Callable[..., bool]:
    """Return a question that is not asked again once the answer was yes: of what is not there, a migration may make it."""
    there: set[Any] = set()

    def answer(*about: Any) -> bool:
        name = about[-1:]  # of a table or a column; a connection stands before it
        if name not in there and ask(*about):
            there.add(name)
        return name in there

    return answer


def _limit(storage: Any, url: str, statement_timeout: int, **_: int) -> None:
    """Limit the statements of a webserver (milliseconds). Its own pool would not see that the server was restarted: the next click was an error."""
    storage._engine = _engine(url, statement_timeout)


@cache
def _engine(url: str, statement_timeout: int = 0) -> "Engine":
    """Return the pool of this process; a connection that a restart of the server has ended is opened anew."""
    from sqlalchemy import create_engine, event

    engine = create_engine(url, isolation_level="AUTOCOMMIT", pool_size=KEPT, max_overflow=-1, pool_pre_ping=True, pool_recycle=OLDEST)
    os.register_at_fork(after_in_child=partial(engine.dispose, close=False))  # the connections stay the parent's
    if statement_timeout:
        event.listen(engine, "connect", lambda connection, _: set_pg_statement_timeout(connection, statement_timeout))
    return engine
