"""A trail of its own for each test, in the Postgres of the folder above."""

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from kb_audit.keys import SealingKey, new_key
from kb_review_worker.storage.database import Database
from kb_review_worker.storage.migrate import migrate
from kb_review_worker_tests.audit.trails import Trail

NUMBERS = itertools.count(1)
TEMPLATE = "trail_template"


@pytest.fixture(scope="session")
def template(database_url: str) -> str:
    """Return the URL of a database whose trail is empty."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(TEMPLATE)))
    url = psycopg.conninfo.make_conninfo(database_url, dbname=TEMPLATE)
    migrate(_url(database_url, TEMPLATE))
    return url


@pytest.fixture
def trail_url(database_url: str, template: str) -> Iterator[str]:
    """Yield the URL of a database with an empty trail, as its superuser."""
    name = f"trail_{next(NUMBERS)}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(TEMPLATE)))
        yield _url(database_url, name)
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def key() -> SealingKey:
    """Return a key that seals."""
    return new_key("2026a")


@pytest.fixture
async def trail(anyio_backend: str, trail_url: str, key: SealingKey, tmp_path: Path) -> AsyncIterator[Trail]:
    """Yield a trail with its sealer."""
    async with Database(trail_url) as database:
        yield Trail(trail_url, database, key, tmp_path / "seals.jsonl")


def _url(base: str, name: str) -> str:
    head, _, _ = base.rpartition("/")
    return f"{head}/{name}"
