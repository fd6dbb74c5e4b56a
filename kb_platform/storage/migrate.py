"""Creates a knowledge base's schema and roles, and brings them to the newest revision."""

from importlib import resources

from alembic import command
from alembic.config import Config
from psycopg import Connection, sql

from kb_platform.storage.database import LOGIN_ROLES, Database, driver

LOCK = "select pg_advisory_xact_lock(hashtextextended('kb_migrate', 0))"


def migrate(database: Database) -> None:
    """Create or upgrade the schema of one knowledge base: one transaction, safe to run twice or twice at once."""
    with database.engine("owner").begin() as connection:
        connection.exec_driver_sql(LOCK)
        connection.exec_driver_sql("create extension if not exists vector with schema public")
        _create_roles(database, driver(connection))
        connection.exec_driver_sql(f"create schema if not exists {database.schema}")
        connection.exec_driver_sql(f"set local search_path to {database.schema}, public")
        config = Config()
        config.set_main_option("script_location", str(resources.files("kb_platform.storage") / "migrations"))
        config.attributes.update(connection=connection, schema=database.schema)
        command.upgrade(config, "head")


def _create_roles(database: Database, connection: Connection) -> None:
    for role in LOGIN_ROLES:
        name = f"{database.schema}_{role}"
        known = connection.execute("select 1 from pg_roles where rolname = %s", (name,)).fetchone()
        statement = "alter role {} login password {}" if known else "create role {} login password {}"
        connection.execute(sql.SQL(statement).format(sql.Identifier(name), sql.Literal(database.password(role))))


def drop(database: Database) -> None:
    """Remove the schema and its roles, with everything in them."""
    with database.engine("owner").begin() as connection:
        raw = driver(connection)
        raw.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(database.schema)))
        for role in LOGIN_ROLES:
            name = f"{database.schema}_{role}"
            if raw.execute("select 1 from pg_roles where rolname = %s", (name,)).fetchone():
                raw.execute(sql.SQL("drop owned by {0}; drop role {0}").format(sql.Identifier(name)))
