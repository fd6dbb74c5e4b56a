"""Keys of applications: added, revoked, never changed."""

import datetime as dt
from collections.abc import Sequence

import psycopg

from kb_platform.knowledge.api_keys import ApiKey, NewKey
from kb_platform.knowledge.errors import StateError
from kb_platform.storage.deployment import DeploymentDatabase


def add_key(
    database: DeploymentDatabase, key: NewKey, name: str, grants: Sequence[str], *, rate: float | None, expires_at: dt.datetime | None, by: str
) -> None:
    """Keep a new key."""
    with database.transaction("writer") as c:
        c.execute("insert into api_key (key_id, name, secret_hash, grants, rate, expires_at, by_name) values (%s, %s, %s, %s, %s, %s, %s)",
                  (key.key_id, name, key.secret_hash, list(grants), rate, expires_at, by))


def all_keys(database: DeploymentDatabase) -> list[ApiKey]:
    """Return all keys that there ever were, the newest first."""
    with database.transaction("reader") as c:
        rows = c.execute("""select k.key_id, k.name, k.secret_hash, k.grants, k.rate, k.created_at, k.expires_at, r.at, k.by_name
                            from api_key k left join api_key_revocation r using (key_id) order by k.created_at desc, k.key_id""").fetchall()
    return [ApiKey(key_id, name, bytes(secret_hash), tuple(grants), *rest) for key_id, name, secret_hash, grants, *rest in rows]


def revoke_key(database: DeploymentDatabase, key_id: str, by: str) -> None:
    """Let a key end now; one that is revoked stays so.

    Raises:
        StateError: there is no such key.
    """
    try:
        with database.transaction("writer") as c:
            c.execute("insert into api_key_revocation (key_id, by_name) values (%s, %s) on conflict do nothing", (key_id, by))
    except psycopg.errors.ForeignKeyViolation as error:
        raise StateError(f"no key {key_id}", where="keys of the search API", action="see `kb keys list`") from error
