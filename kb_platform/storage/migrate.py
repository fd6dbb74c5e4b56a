"""Creates the schema and roles of a knowledge base, or of the deployment, and brings them to the newest revision."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources

import psycopg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script.revision import ResolutionError
from alembic.util import CommandError
from psycopg import Connection, sql
from psycopg.errors import InsufficientPrivilege
from sqlalchemy.exc import ProgrammingError

from kb_platform.knowledge.errors import StateError, in_a_word
from kb_platform.storage.database import Database, Role, driver
from kb_platform.storage.locks import patience

# Any role may hold this one: before there is a schema nothing else can be locked. It is waited for as long as any other.
LOCK = "select pg_advisory_xact_lock(hashtextextended('kb_migrate', 0))"


def migrate(database: Database, revision: str = "head") -> None:
    """Create or upgrade one schema: one transaction, safe to run twice or twice at once.

    Raises:
        StateError: the role of the database's URL may not do that, or the schema is a newer version's.
    """
    with _missing_rights(database), database.engine("owner").begin() as connection:
        upgrade(connection, database, revision)


def upgrade(connection: sa.Connection, database: Database, revision: str = "head") -> None:
    """Create or upgrade one schema within the connection's transaction, as the owner."""
    with patience(driver(connection), f"{database.schema}: something else holds the lock of migrations", "who that is in pg_locks and pg_stat_activity"):
        driver(connection).execute(LOCK)  # past SQLAlchemy, which would make its own error of the one that is waited for
    connection.exec_driver_sql("create extension if not exists vector with schema public")
    _create_roles(database, driver(connection))
    connection.exec_driver_sql(f"create schema if not exists {database.schema}")
    connection.exec_driver_sql(f"set local search_path to {database.schema}, public")
    connection.exec_driver_sql(f"set local kb.own_change to {database.schema}")  # so that the audit of changed guards can tell
    config = Config()
    folder = resources.files("kb_platform.storage") / "migrations"
    config.set_main_option("script_location", str(folder))
    config.set_main_option("version_locations", str(folder / database.versions))
    config.set_main_option("path_separator", "os")
    config.attributes.update(connection=connection, schema=database.schema)
    with _known_revisions(database):
        command.upgrade(config, revision)


@contextmanager
def _known_revisions(database: Database) -> Iterator[None]:
    """Say in one line that the schema is a newer version's, as it is after a rollback of the software."""
    try:
        yield
    except CommandError as error:
        if not isinstance(error.__cause__, ResolutionError):
            raise
        raise StateError(
            f"the schema is at revision {error.__cause__.argument}, which this version does not know", where=f"schema {database.schema}",
            expected="a schema of this version or an older one", action="run the newer version again, or restore a backup of the time before it",
        ) from error


@contextmanager
def _missing_rights(database: Database) -> Iterator[None]:
    """Say in one line which right an external server's role lacks, and what an administrator can do."""
    try:
        yield
    except (InsufficientPrivilege, ProgrammingError) as error:
        cause = getattr(error, "orig", error)
        if not isinstance(cause, InsufficientPrivilege):
            raise
        raise StateError(
            cause.diag.message_primary or str(cause), where=f"schema {database.schema} on the server of KB_DATABASE_URL",
            expected="a role with CREATEROLE that may create schemas, and the extension vector",
            action="let an administrator grant that, or run what `kb migrate --roles` prints, and `create extension vector` in the database",
        ) from error


def _create_roles(database: Database, connection: Connection) -> None:
    for role in database.login_roles:
        name = f"{database.schema}_{role}"
        known = connection.execute("select 1 from pg_roles where rolname = %s", (name,)).fetchone()
        statement = "alter role {} login password {}" if known else "create role {} login password {}"
        try:
            with connection.transaction():
                connection.execute(sql.SQL(statement).format(sql.Identifier(name), sql.Literal(database.password(role))))
        except InsufficientPrivilege:
            if not known:
                raise
            _require_login(database, role)  # an administrator has made it


def _require_login(database: Database, role: Role) -> None:
    """Return if a role that others have made has the password that follows from the owner's.

    Raises:
        StateError: it has not, as after a change of the owner's.
    """
    try:
        psycopg.connect(database.url(role), connect_timeout=10).close()
    except psycopg.OperationalError as error:
        raise StateError(
            f"the role {database.schema}_{role} cannot log in ({in_a_word(error)})", where=f"schema {database.schema} on the server of KB_DATABASE_URL",
            expected="the password that follows from that of KB_DATABASE_URL", action="let an administrator run what `kb migrate --roles` prints",
        ) from error


def drop(database: Database) -> None:
    """Remove the schema and its roles, with everything in them."""
    with database.engine("owner").begin() as connection:
        raw = driver(connection)
        raw.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(database.schema)))
        for role in database.login_roles:
            name = f"{database.schema}_{role}"
            if raw.execute("select 1 from pg_roles where rolname = %s", (name,)).fetchone():
                raw.execute(sql.SQL("drop owned by {0}; drop role {0}").format(sql.Identifier(name)))
