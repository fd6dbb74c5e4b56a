"""On a server that is not ours the role may lack a right: one line says which, and what to do."""

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from kb_platform.cli import session
from kb_platform.knowledge.errors import ConfigError, StateError
from kb_platform.local.databases import in_database
from kb_platform.local.environment import database_url
from kb_platform.storage.database import Database
from kb_platform.storage.guards import changed_guards
from kb_platform.storage.migrate import migrate
from kb_platform.storage.role_script import role_script


@pytest.mark.parametrize("owner", ["kb_app", "zz"])  # which stand elsewhere than `kb` among the roles of a knowledge base
def test_a_role_with_the_rights_that_are_asked_for_makes_everything_as_it_was_shipped(home: Path, owner: str) -> None:
    ours = database_url(session.settings())
    with psycopg.connect(ours, autocommit=True) as c:
        c.execute(f"create role {owner} login createrole password 'word'")
        c.execute(f"create database {owner} owner {owner}")
        url = in_database(ours, owner).replace(ours.split("//")[1].split("@")[0], f"{owner}:word")
        with psycopg.connect(in_database(ours, owner), autocommit=True) as admin:
            admin.execute("create extension vector")
        database = Database(url, "manuals")
        try:
            migrate(database)
            assert list(changed_guards(database)) == []
        finally:
            database.dispose()
            c.execute(f"drop database {owner} with (force)")
            for role in database.login_roles:
                c.execute(f"drop role kb_manuals_{role}")
            c.execute(f"drop role {owner}")


def test_a_role_that_may_make_no_roles_does_with_those_that_an_administrator_made(poor_url: str, home: Path) -> None:
    ours = database_url(session.settings())
    database = Database(poor_url, "manuals")
    script = "\n".join(role_script(poor_url, ["manuals"]))
    assert database.password("reader") not in script
    names = re.findall("create role ([a-z_]+);", script)
    with psycopg.connect(ours, autocommit=True) as c:
        before = {name for (name,) in c.execute("select rolname from pg_roles")}
        try:
            with psycopg.connect(in_database(ours, "poor"), autocommit=True) as admin:
                admin.execute("create extension vector")
                admin.execute(script)
                admin.execute(script)  # may be run again
            migrate(database)
            migrate(database)
            assert list(changed_guards(database)) == []
            for role in database.login_roles:
                with database.transaction(role) as own:
                    assert own.execute("select current_user").fetchone() == (f"kb_manuals_{role}",)
            database.dispose()
            c.execute("alter role poor password 'other'")
            changed = Database(poor_url.replace("poor:word", "poor:other"), "manuals")
            with pytest.raises(StateError, match="kb_manuals_reader cannot log in .*password.*kb migrate --roles"):
                migrate(changed)
            changed.dispose()
        finally:
            database.dispose()
            c.execute("drop database poor with (force)")
            c.execute("create database poor owner poor")
            for name in set(names) - before:
                c.execute(f"drop role {name}")


def test_a_database_may_be_called_anything() -> None:
    url = Database("postgresql://o%20w:p%40%20w@localhost:1/kb%20app%C3%9C", "manuals").url("reader")
    assert conninfo_to_dict(url) | {"password": ""} == {"user": "kb_manuals_reader", "password": "", "dbname": "kb appÜ", "host": "localhost", "port": "1"}


def test_a_url_without_a_password_makes_no_script() -> None:
    with pytest.raises(ConfigError, match="the URL has no password"):
        list(role_script("postgresql://somebody@localhost/kb", ["manuals"]))


@pytest.fixture
def poor_url(home: Path) -> Iterator[str]:
    """Yield the URL of a database whose owner has no right beyond it."""
    ours = database_url(session.settings())
    with psycopg.connect(ours, autocommit=True) as c:
        c.execute("create role poor login password 'word'")
        c.execute("create database poor owner poor")
        try:
            yield in_database(ours, "poor").replace(ours.split("//")[1].split("@")[0], "poor:word")
        finally:
            c.execute("drop database poor with (force)")
            c.execute("drop role poor")


def test_a_role_without_rights_is_told_what_it_lacks(poor_url: str) -> None:
    database = Database(poor_url, "manuals")
    with pytest.raises(StateError, match="permission denied to create extension.*create extension vector"):
        migrate(database)
    database.dispose()
