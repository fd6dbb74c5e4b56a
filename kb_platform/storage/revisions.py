"""Which revision a schema is at, and whether that is the newest: asked whenever a process opens one, and so without Alembic, which takes half a second."""

from importlib import resources

import psycopg

from kb_platform.storage.database import Database


def revision(database: Database) -> str | None:
    """Return the revision that a schema is at; None where there is no schema.

    Raises:
        TransientError: the server does not answer.
    """
    with database.session("owner") as connection:
        found = connection.execute("select to_regclass(%s)", (f"{database.schema}.alembic_version",)).fetchone()
        if found is None or found[0] is None:
            return None
        row = connection.execute("select version_num from alembic_version").fetchone()
        return row[0] if row else None


def newest_revision(database: Database) -> str:
    """Return the newest revision that this version knows: a migration's file name begins with its revision."""
    folder = resources.files("kb_platform.storage") / "migrations" / database.versions
    return max(file.name[:4] for file in folder.iterdir() if file.name[:4].isdigit())


def is_current(database: Database) -> bool:
    """Tell whether there is nothing to migrate, and the roles' passwords are those that follow from the owner's.

    Raises:
        TransientError: the server does not answer.
    """
    if revision(database) != newest_revision(database):
        return False
    try:
        with psycopg.connect(database.url(database.login_roles[0]), connect_timeout=10):
            return True
    except psycopg.OperationalError:  # the owner's password is a new one, and the roles' follow from it; or the server went away
        return False
