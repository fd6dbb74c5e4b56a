"""The database of one knowledge base: connections by role, one transaction at a time.

SQLAlchemy pools and migrates, psycopg runs the statements: binary COPY is 35 times SQLAlchemy's insert, and what happens here is
Postgres' own language (validity ranges, set-based differences, pgvector), which an expression layer would only hide.
"""

import hashlib
import hmac
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, cast

import psycopg
import sqlalchemy as sa
from pgvector.psycopg import register_vector
from sqlalchemy.exc import OperationalError

from kb_platform.knowledge.errors import ConfigError, TransientError

Role = Literal["owner", "reader", "writer", "gate", "promoter"]
LOGIN_ROLES: tuple[Role, ...] = ("reader", "writer", "gate", "promoter")
NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")


def driver(connection: sa.Connection) -> psycopg.Connection:
    """Return psycopg's connection behind SQLAlchemy's."""
    return cast(psycopg.Connection, connection.connection.driver_connection)


@dataclass(frozen=True)
class Database:
    """One knowledge base's schema on a server. `owner_url` is a libpq URL whose role owns (or may create) the schema."""

    owner_url: str = field(repr=False)
    name: str

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

    def password(self, role: Role) -> str:
        """Return a login role's password: derived from the owner's, so that there is one secret to keep and to rotate."""
        secret = sa.make_url(self.owner_url).password or ""
        return hmac.new(str(secret).encode(), f"{self.schema}_{role}".encode(), hashlib.sha256).hexdigest()

    def url(self, role: Role) -> str:
        """Return the libpq URL of a role."""
        if role == "owner":
            return self.owner_url
        url = sa.make_url(self.owner_url).set(username=f"{self.schema}_{role}", password=self.password(role))
        return url.render_as_string(hide_password=False)

    @cached_property
    def _engines(self) -> dict[Role, sa.Engine]:
        return {}

    def engine(self, role: Role) -> sa.Engine:
        """Return the pool of a role."""
        if role not in self._engines:
            url = sa.make_url(self.url(role)).set(drivername="postgresql+psycopg")
            engine = sa.create_engine(url, pool_pre_ping=True, pool_size=2, connect_args={"connect_timeout": 10})
            self._engines[role] = engine
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
            raise TransientError(
                f"the database does not answer ({type(error.orig).__name__})", where=self.schema,
                action="start it with `kb up`, or check KB_DATABASE_URL",
            ) from error
        with connection, connection.begin():
            raw = driver(connection)
            raw.execute(f"set local search_path to {self.schema}, public".encode())
            register_vector(raw)
            try:
                yield raw
            except psycopg.OperationalError as error:
                if raw.closed:
                    raise TransientError(
                        f"the database went away ({type(error).__name__})", where=self.schema, action="run the command again",
                    ) from error
                raise

    def dispose(self) -> None:
        """Close the pools."""
        for engine in self._engines.values():
            engine.dispose()
