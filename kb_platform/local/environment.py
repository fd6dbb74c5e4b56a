"""How other processes find the servers: a handful of variables, the same for children, for a shell and for this process.

`KB_DATABASE_URL` is set for children although their parent may not have had it: they need the address, not the way it was chosen.
When such a variable comes back to us (`kb down` in a shell that has `kb env`), its password tells that the server is ours.
"""

import base64
import secrets
from pathlib import Path
from urllib.parse import urlsplit

from kb_platform.knowledge.errors import StateError
from kb_platform.local.credentials import GATE_KEY, kept, read_password, read_secrets
from kb_platform.local.databases import in_database, prepare_external
from kb_platform.local.lock import exclusive
from kb_platform.local.postgres import Report, ensure_postgres, postgres_address, silent
from kb_platform.local.review_service import platform_variables
from kb_platform.settings import Settings


def is_embedded(settings: Settings) -> bool:
    """Tell whether the database is the home's own, rather than an external server."""
    if settings.database_url is None:
        return True
    ours = read_password(settings.home)
    return ours is not None and urlsplit(settings.database_url.get_secret_value()).password == ours


def ensure_database(settings: Settings, report: Report = silent) -> str:
    """Return the URL of the knowledge bases' database, with its server running and Dagster's database there.

    Raises:
        StateError: the server cannot run, or refuses us.
        TransientError: it does not answer.
    """
    if is_embedded(settings):
        return ensure_postgres(settings.home, dagster_database=settings.dagster_database, report=report).url()
    url = database_url(settings)
    prepare_external(url, settings.dagster_database)
    return url


def database_url(settings: Settings) -> str:
    """Return the URL of the knowledge bases' database, which must be running if it is the home's own.

    Raises:
        StateError: it is not running.
    """
    if not is_embedded(settings) and settings.database_url:
        return settings.database_url.get_secret_value()
    address = postgres_address(settings.home)
    if address is None:
        raise StateError("Postgres is not running", where=str(settings.home), action="start it with `kb up`")
    return address.url()


def environment(settings: Settings) -> dict[str, str]:
    """Return the variables for processes that use the platform. Some hold the database's password.

    Raises:
        StateError: the embedded Postgres is not running, so that there is no address.
    """
    url, dagster = database_url(settings), settings.home / "dagster"
    return {
        "KB_HOME": str(settings.home),
        "KB_DATABASE_URL": url,
        "KB_OBJECT_STORE": settings.object_store_url,
        "KB_DEFS": str(settings.defs),
        **({"KB_GATE_KEYS": keys} if (keys := gate_keys(settings)) else {}),
        "KB_DAGSTER_DATABASE": settings.dagster_database,
        **settings.server_variables,
        **platform_variables(settings),
        **_dagster(url, settings.dagster_database, dagster),
    }


def gate_keys(settings: Settings) -> str | None:
    """Return the keys that verdicts are signed with: those of the settings, else one that the home keeps, made on first use; None without a home."""
    if settings.gate_keys:
        return settings.gate_keys.get_secret_value()
    made = read_secrets(settings.home).get(GATE_KEY)
    if made is None and (settings.home / "postgres").is_dir():
        with exclusive(settings.home / "postgres" / "lock"):
            made = kept(settings.home, {GATE_KEY: lambda _: f"home:{base64.b64encode(secrets.token_bytes(32)).decode()}"})[GATE_KEY]
    return made


def _dagster(url: str, database: str, folder: Path) -> dict[str, str]:
    return {
        "DAGSTER_HOME": str(folder),
        "DAGSTER_PG_URL": in_database(url, database, scheme="postgresql+psycopg2"),
        "DAGSTER_ARTIFACTS": str(folder),
        "DAGSTER_LOGS": str(folder / "storage"),
    }
