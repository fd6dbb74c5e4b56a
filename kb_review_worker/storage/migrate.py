"""Creates schema `review`, and brings it to the newest revision."""

from importlib import resources

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.exc import SQLAlchemyError

from kb_review_worker.storage.database import SCHEMA

# Any role may hold this one: before there is a schema nothing else can be locked. Where nothing is to be done nobody waits for it.
LOCK = "select pg_advisory_xact_lock(hashtextextended('kb_review_migrate', 0))"
PATIENCE = "30min"  # longer than a migration should take


def migrate(url: str, revision: str = "head") -> None:
    """Create or upgrade the schema: one transaction, safe to run twice or twice at once.

    `url` is a libpq URL of the schema's owner. Where nothing is to be done, any role that may read the schema's revision will do.
    Whoever holds a lock that is needed is waited for as long as PATIENCE.
    """
    engine = _engine(url)
    config = Config()
    config.set_main_option("script_location", str(resources.files("kb_review_worker.storage") / "migrations"))
    newest = ScriptDirectory.from_config(config).get_current_head() if revision == "head" else None
    with engine.begin() as connection:
        if newest and _revision(connection) == newest:
            return
        connection.exec_driver_sql(f"set local lock_timeout = '{PATIENCE}'")
        connection.exec_driver_sql(LOCK)
        if newest and _revision(connection) == newest:  # another one was quicker
            return
        connection.exec_driver_sql(f"create schema if not exists {SCHEMA}")
        connection.exec_driver_sql(f"set local search_path to {SCHEMA}")
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def revision_at(url: str) -> str | None:
    """Return the schema's revision, None where there is no schema or no server answers: who migrates next says why."""
    try:
        with _engine(url).connect() as connection:
            return _revision(connection)
    except SQLAlchemyError:
        return None


def _engine(url: str) -> sa.Engine:
    return sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"), poolclass=sa.NullPool, connect_args={"connect_timeout": 10})


def _revision(connection: sa.Connection) -> str | None:
    if connection.exec_driver_sql(f"select to_regclass('{SCHEMA}.alembic_version')").scalar() is None:
        return None
    return connection.exec_driver_sql(f"select version_num from {SCHEMA}.alembic_version").scalar()
