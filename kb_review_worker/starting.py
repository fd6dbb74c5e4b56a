"""What both processes do before they run. What goes wrong is one line: what was found, where, and what to do."""

from typing import TypeVar

from pydantic import ValidationError

from kb_review_worker.settings import Settings

S = TypeVar("S", bound=Settings)


class CannotStart(Exception):
    """Why a process does not run, in one line."""


def read_settings(kind: type[S]) -> S:
    """Return the settings of a process.

    Raises:
        CannotStart: one of them is wrong.
    """
    try:
        return kind()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = f"KB_REVIEW_{first['loc'][0]}: ".upper() if first["loc"] else ""
        raise CannotStart(f"{name}{first['msg'].removeprefix('Value error, ')}") from None


def migrated(settings: Settings) -> str:
    """Bring the schema up and return the database's URL.

    Raises:
        CannotStart: the database does not answer, its role may not create schemas, or something holds the migration up.
    """
    if settings.database_url is None:
        raise CannotStart("KB_REVIEW_DATABASE_URL is unset: expected postgresql://user:password@host:port/database")
    import psycopg
    from alembic.util import CommandError
    from sqlalchemy.exc import SQLAlchemyError

    from kb_review_worker.storage.migrate import PATIENCE, migrate

    url = settings.database_url.get_secret_value()
    try:
        migrate(url)
    except CommandError as error:
        raise CannotStart(f"schema `review` cannot be brought up ({error}): the database is a newer version's; run that version, or restore a backup "
                          "of the time before it") from None
    except (SQLAlchemyError, psycopg.Error) as error:
        if isinstance(getattr(error, "orig", error), psycopg.errors.LockNotAvailable):
            raise CannotStart("schema `review` cannot be brought up: something else holds a lock that the migration needs, and has for "
                              f"{PATIENCE}; see pg_locks and pg_stat_activity, and start again") from None
        reason = type(getattr(error, "orig", error)).__name__
        raise CannotStart(f"schema `review` cannot be brought up ({reason}): check KB_REVIEW_DATABASE_URL, and that its role may "
                          "create schemas") from None
    return url
