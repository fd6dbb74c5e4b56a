"""On a server that is not ours the role may lack a right: one line says which, and what to do."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from kb_platform.cli import session
from kb_platform.knowledge.errors import StateError
from kb_platform.local.databases import in_database
from kb_platform.local.environment import database_url
from kb_platform.storage.database import Database
from kb_platform.storage.guards import changed_guards
from kb_platform.storage.migrate import migrate


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
