"""The database of one knowledge base: connections by role, one transaction at a time.

SQLAlchemy pools and migrates, psycopg runs the statements: binary COPY is 35 times SQLAlchemy's insert, and what happens here is
Postgres' own language (validity ranges, set-based differences, pgvector), which an expression layer would only hide.
"""

import hashlib
import hmac
import re
import weakref
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Literal, cast

import psycopg
import sqlalchemy as sa
from pgvector.psycopg import register_vector
from sqlalchemy.exc import OperationalError

from kb_platform.knowledge.errors import ConfigError, TransientError, in_a_word

Role = Literal["owner", "reader", "writer", "gate", "promoter", "collector", "decider"]
LOGIN_ROLES: tuple[Role, ...] = ("reader", "writer", "gate", "promoter", "collector", "decider")
NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")


def driver(connection: sa.Connection) -> psycopg.Connection:
    """Return psycopg's connection behind SQLAlchemy's."""
    return cast(psycopg.Connection, connection.connection.driver_connection)


@dataclass(frozen=True)
class Database:
    """One knowledge base's schema on a server. `owner_url` is a libpq URL whose role owns (or may create) the schema.

    `gate_keys`, by id, are what verdicts are signed with, by the first one, and checked with: they are never in the database.
    """

    owner_url: str = field(repr=False)
    name: str
    gate_keys: Mapping[str, bytes] = field(default_factory=dict, repr=False, compare=False, kw_only=True)
    _engines: dict[Role, sa.Engine] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse names that would need quoting: they become schema and role names."""
        if not NAME.fullmatch(self.name):
            raise ConfigError(
                f"the name {self.name!r}", expected="lower-case letters, digits and _, beginning with a letter, at most 48",
                action="rename the knowledge base",
            )

    @property
    def schema(self) -> str:
        """Return the schema's name, which is also the prefix of its roles."""
        return f"kb_{self.name}"

    @property
    def login_roles(self) -> tuple[Role, ...]:
        """Return the roles that log in."""
        return LOGIN_ROLES

    @property
    def versions(self) -> str:
        """Return the folder of its migrations, below storage/migrations."""
        return "versions"

    def password(self, role: Role) -> str:
        """Return a login role's password: derived from the owner's, so that there is one secret to keep and to rotate."""
        secret = sa.make_url(self.owner_url).password or ""
        return hmac.new(str(secret).encode(), f"{self.schema}_{role}".encode(), hashlib.sha256).hexdigest()

    @property
    def has_secret(self) -> bool:
        """Return whether the owner has a password, from which the others follow."""
        return bool(sa.make_url(self.owner_url).password)

    def url(self, role: Role) -> str:
        """Return the libpq URL of a role."""
        if role == "owner":
            return self.owner_url
        url = sa.make_url(self.owner_url).set(username=f"{self.schema}_{role}", password=self.password(role))
        return url.render_as_string(hide_password=False).replace(" ", "%20")  # SQLAlchemy leaves blanks of a database's name, libpq takes none

    def engine(self, role: Role) -> sa.Engine:
        """Return the pool of a role."""
        if role not in self._engines:
            url = sa.make_url(self.url(role)).set(drivername="postgresql+psycopg")
            engine = sa.create_engine(url, pool_pre_ping=True, pool_size=2, connect_args={"connect_timeout": 10})
            if self._engines.setdefault(role, engine) is engine:  # of two threads, the later one drops its own, which has connected to nothing yet
                weakref.finalize(self, engine.dispose).atexit = False  # what nobody holds any more leaves no connection open
        return self._engines[role]

    @contextmanager
    def transaction(self, role: Role) -> Iterator[psycopg.Connection]:
        """Yield a connection inside one transaction, which commits when the block ends without an error.

        Raises:
            TransientError: the server cannot be reached, or went away; then nothing of the block has happened.
        """
        try:
            connection = self.engine(role).connect()
        except OperationalError as error:
            raise self._unreachable(error.orig) from error
        with self._committing(), connection, connection.begin():
            raw = driver(connection)
            raw.execute(f"set local search_path to {self.schema}, public".encode())
            if not connection.info.get("knows_vectors"):  # once a connection, not once a transaction: it is four queries
                register_vector(raw)
                connection.info["knows_vectors"] = True
            with self._there(raw):
                yield raw

    @contextmanager
    def session(self, role: Role) -> Iterator[psycopg.Connection]:
        """Yield a connection of its own, each statement its own transaction: for locks that last, and what refuses a transaction.

        Raises:
            TransientError: the server cannot be reached, or went away.
        """
        try:
            connection = psycopg.connect(self.url(role), autocommit=True, connect_timeout=10)
        except psycopg.OperationalError as error:
            raise self._unreachable(error) from error
        with closing(connection), self._there(connection):
            connection.execute(f"set search_path to {self.schema}, public".encode())
            yield connection

    @contextmanager
    def _committing(self) -> Iterator[None]:
        """Say in one sentence that the server went away at the very end: what was to be committed may have been, or not."""
        try:
            yield
        except OperationalError as error:
            raise TransientError(f"the database went away ({in_a_word(error.orig)})", where=self.schema, action="run the command again") from error

    def _unreachable(self, error: BaseException | None) -> TransientError:
        return TransientError(f"the database does not answer ({in_a_word(error)})", where=self.schema,
                              action="start it with `kb up`, or check KB_DATABASE_URL")

    @contextmanager
    def _there(self, connection: psycopg.Connection) -> Iterator[None]:
        """Say in one sentence that the server went away; other errors are the caller's."""
        try:
            yield
        except psycopg.OperationalError as error:
            if connection.closed:
                raise TransientError(
                    f"the database went away ({in_a_word(error)})", where=self.schema, action="run the command again",
                ) from error
            raise

    def dispose(self) -> None:
        """Close the pools."""
        for engine in self._engines.values():
            engine.dispose()
