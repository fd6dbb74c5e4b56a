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
from kb_platform.storage.migrate import migrate


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
