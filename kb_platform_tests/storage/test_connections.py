"""A database that is used again after its pools were closed, as a command in the same process does, leaves no connection open."""

import gc

import psycopg

from kb_platform.cli import session
from kb_platform.local.environment import database_url
from kb_platform.resources import close_stores
from kb_platform_tests.waiting import wait_until


def test_what_nobody_holds_any_more_leaves_no_connection_open() -> None:
    database = session.store("left").database
    close_stores()
    with database.transaction("reader") as c:
        (backend,) = c.execute("select pg_backend_pid()").fetchall()[0]
    with psycopg.connect(database_url(session.settings()), autocommit=True) as c:

        def connected() -> bool:
            return c.execute("select 1 from pg_stat_activity where pid = %s", (backend,)).fetchone() is not None

        assert connected()
        del database
        gc.collect()
        wait_until(lambda: not connected(), "the connection is gone")
