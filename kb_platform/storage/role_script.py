"""The roles that migrations make, as a script for an administrator: for servers on which the platform may make none.

Passwords stand in it as Postgres keeps them (SCRAM-SHA-256): who reads the script cannot log in with it.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Iterable, Iterator

from kb_platform.knowledge.errors import ConfigError
from kb_platform.storage.database import Database
from kb_platform.storage.deployment import DeploymentDatabase
from kb_platform.storage.guards import reference_database

ITERATIONS = 4096  # Postgres' own default; the passwords are 256 random-looking bits, which stretching protects no better
REVIEW_ROLES = ("kb_review_worker", "kb_review_auditor")  # kb_review_worker/storage/migrations makes them, without a login


def role_script(owner_url: str, names: Iterable[str]) -> Iterator[str]:
    """Yield the statements that make every role of these knowledge bases, of the deployment, of reviews, and those that `kb verify` compares with.

    Raises:
        ConfigError: the URL has no password, from which theirs follow.
    """
    databases = [*(Database(owner_url, name) for name in names), DeploymentDatabase(owner_url), reference_database(owner_url)]
    for database in databases:
        if not database.has_secret:
            raise ConfigError("the URL has no password", where="KB_DATABASE_URL", expected="postgresql://ROLE:PASSWORD@HOST/DATABASE: the roles' passwords follow from it")
        for role in database.login_roles:
            name = f"{database.schema}_{role}"
            yield _missing(name)
            yield f"alter role {name} login password '{_verifier(database.password(role))}';"
            if role == "reader" and database.schema.startswith("kb_"):
                yield f"alter role {name} set idle_in_transaction_session_timeout = '60s';"  # migrations/sql/0004_guards.sql says why
    yield from map(_missing, REVIEW_ROLES)


def _missing(name: str) -> str:
    return f"do $$ begin if not exists (select from pg_roles where rolname = '{name}') then create role {name}; end if; end $$;"


def _verifier(password: str) -> str:
    """Return what Postgres keeps of a password (RFC 5803)."""
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
    stored = hashlib.sha256(_keyed(salted, b"Client Key")).digest()
    return f"SCRAM-SHA-256${ITERATIONS}:{_text(salt)}${_text(stored)}:{_text(_keyed(salted, b'Server Key'))}"


def _keyed(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
