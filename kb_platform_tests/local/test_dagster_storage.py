"""Dagster's storage keeps its connections, also over a restart of the server."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from kb_platform.local.dagster_home import open_instance
from kb_platform.local.postgres import ensure_postgres, stop_postgres
from kb_platform.settings import Settings
from kb_platform_tests.local.conftest import rows

SESSIONS = "select pid, backend_start from pg_stat_activity where datname = 'dagster' and pid <> pg_backend_pid()"


def test_statements_of_all_instances_of_a_process_share_connections_and_a_restart_of_the_server_goes_unnoticed(home: Path) -> None:
    address = ensure_postgres(home)
    settings = Settings(home=home)
    with open_instance(settings) as instance:
        instance.get_runs()
        first = backend(instance)
        for _ in range(5):
            assert instance.get_runs() == []
        with open_instance(settings) as another:
            assert another.all_instigator_state() == []
            assert backend(another) == first
        before = rows(address, SESSIONS, "dagster")
        assert backend(instance) == first
        stop_postgres(home)
        assert ensure_postgres(home) == address
        assert instance.get_runs() == []
        assert set(rows(address, SESSIONS, "dagster")).isdisjoint(before)


def test_a_webservers_connections_outlive_a_restart_too_and_its_statements_are_limited(home: Path) -> None:
    address = ensure_postgres(home)
    with open_instance(Settings(home=home)) as instance:
        instance.optimize_for_webserver(statement_timeout=15_000, pool_recycle=3600, max_overflow=20)  # as Dagster's webserver does
        for _ in range(2):
            assert instance.get_runs() == []
            assert instance.all_instigator_state() == []
            with instance.run_storage.connect() as connection:  # pyright: ignore[reportAttributeAccessIssue]
                assert connection.exec_driver_sql("show statement_timeout").scalar_one() == "15s"
            stop_postgres(home)
            assert ensure_postgres(home) == address


def backend(instance: Any) -> int:
    """Return the process of the server behind an instance's connection."""
    with instance.run_storage.connect() as connection:
        return connection.exec_driver_sql("select pg_backend_pid()").scalar_one()


def test_a_fork_takes_no_connection_of_its_parent(home: Path) -> None:
    address = ensure_postgres(home)
    with open_instance(Settings(home=home)) as instance:
        instance.get_runs()
        before = {pid for pid, _ in rows(address, SESSIONS, "dagster")}
        child = os.fork()
        if not child:
            with suppress(BaseException):  # nothing of pytest's may run in it
                os._exit(0 if instance.get_runs() == [] and backend(instance) not in before else 1)
            os._exit(2)
        assert os.waitpid(child, 0)[1] == 0
        assert instance.get_runs() == []
        assert backend(instance) in before


def test_a_table_that_is_made_later_is_seen(home: Path) -> None:
    ensure_postgres(home)
    with open_instance(Settings(home=home)) as instance:
        events: Any = instance.event_log_storage
        assert events.has_table("event_logs")
        assert not events.has_table("made_later")
        with events.index_connection() as connection:
            connection.exec_driver_sql("create table made_later ()")
        assert events.has_table("made_later")
