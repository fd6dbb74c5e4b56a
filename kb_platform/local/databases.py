"""The databases a server needs before anything else can use it: the knowledge bases' own, and Dagster's."""

from urllib.parse import quote, urlsplit

import psycopg
from psycopg import sql

from kb_platform.knowledge.errors import KbError, StateError, TransientError

KNOWLEDGE, MAINTENANCE = "kb", "postgres"
VECTOR = "select installed_version, default_version from pg_available_extensions where name = 'vector'"


def in_database(url: str, name: str, scheme: str = "postgresql") -> str:
    """Return the URL of another database on the same server, for another driver if `scheme` says so."""
    return urlsplit(url)._replace(scheme=scheme, path=f"/{quote(name)}").geturl()


def prepare_embedded(url: str, dagster_database: str) -> None:
    """Create both databases of our own server, and the newest vector extension its software has.

    Raises:
        StateError: the server does not know the password of `secrets.json`.
        TransientError: it does not answer.
    """
    _create_missing(in_database(url, MAINTENANCE), KNOWLEDGE, dagster_database)
    with _connect(in_database(url, KNOWLEDGE)) as connection:
        row = connection.execute(VECTOR).fetchone()
        if row is None:
            raise StateError("the server's software has no pgvector", action="reinstall kb-platform[local]")
        if row[0] is None:
            connection.execute("create extension vector")
        elif row[0] != row[1]:
            connection.execute("alter extension vector update")


def prepare_external(url: str, dagster_database: str) -> None:
    """Create Dagster's database on a server that is not ours, unless it is there.

    Raises:
        StateError: it is missing and the role may not create it.
        TransientError: the server does not answer.
    """
    try:
        _create_missing(url, dagster_database)
    except psycopg.errors.InsufficientPrivilege as error:
        raise StateError(
            f"there is no database {dagster_database!r} for Dagster, and the role may not create it",
            where="the server of KB_DATABASE_URL",
            action=f"create it (`create database {dagster_database} owner ...`), or name another in KB_DAGSTER_DATABASE",
        ) from error


def _create_missing(url: str, *names: str) -> None:
    with _connect(url) as connection:
        known = {row[0] for row in connection.execute("select datname from pg_database")}
        for name in names:
            if name not in known:
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))


def _connect(url: str) -> psycopg.Connection:
    try:
        return psycopg.connect(url, autocommit=True, connect_timeout=10)
    except psycopg.OperationalError as error:
        raise _refusal(str(error), urlsplit(url).hostname or "") from error


def _refusal(message: str, host: str) -> KbError:
    last = message.strip().splitlines()[-1]
    if "password authentication failed" in message:
        return StateError(
            "the server does not accept the password", where=host,
            action="restore secrets.json of the home (or begin anew with `kb down --wipe`), or check KB_DATABASE_URL",
        )
    return TransientError(f"the server does not answer: {last}", where=host)
