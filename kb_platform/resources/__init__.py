"""What assets and commands reach the outside through: opened when first used, one embedder a process and space. platform.py is the Dagster resource."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from kb_contracts.keys import read_keys
from kb_platform.knowledge.errors import ConfigError
from kb_platform.knowledge.progress import Progress, silent
from kb_platform.settings import current_settings

if TYPE_CHECKING:  # the code location loads without the database's and the model's libraries
    from kb_platform.index.embed import Embedder
    from kb_platform.knowledge.spaces import EmbeddingSpace
    from kb_platform.storage.database import Database
    from kb_platform.storage.stores import Store

_OPENED: "list[Database]" = []
_LISTENER: ContextVar[Progress] = ContextVar("progress", default=silent)


@contextmanager
def heard_by(listener: Progress) -> Iterator[None]:
    """Let `listener` hear how far the steps are that run inside the block."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def heard() -> Progress:
    """Return whom steps tell how far they are: the terminal of the command that runs them, else nobody."""
    return _LISTENER.get()


@cache
def open_store(name: str) -> "Store":
    """Open and migrate, once a process."""
    from kb_platform.storage.database import Database
    from kb_platform.storage.objects import ObjectStore
    from kb_platform.storage.stores import Store

    keys = current_settings().gate_keys
    database = Database(database_url(), name, gate_keys=read_keys(keys.get_secret_value()) if keys else {})
    bring_up_to_date(database)
    return Store(database, ObjectStore(f"{current_settings().object_store_url.rstrip('/')}/{name}"))


def database_url() -> str:
    """Return the owner's URL of the database.

    Raises:
        ConfigError: it is not set.
    """
    url = current_settings().database_url
    if url is None:
        raise ConfigError("KB_DATABASE_URL is not set", where="environment", expected="the address of the database",
                          action="start through `kb up` or `kb refresh`, or set what `kb env` prints")
    return url.get_secret_value()


def bring_up_to_date(database: "Database") -> None:
    """Migrate a database's schema unless it is at the newest revision; `close_stores` is to close it."""
    from kb_platform.storage.revisions import is_current

    if not is_current(database):
        from kb_platform.storage.migrate import migrate

        migrate(database)
    _OPENED.append(database)


@lru_cache(maxsize=2)  # a change of model searches two: the candidate's and the live release's
def load_embedder(space: "EmbeddingSpace") -> "Embedder":
    """Load what computes the vectors of a space, once a process: as the space and the settings say."""
    from kb_platform.index.embedders import load_for
    from kb_platform.resources.embedding import deployment

    return load_for(space, deployment(current_settings()))


def close_stores() -> None:
    """Close the pools of the stores that this process opened, so that a server can be stopped."""
    from kb_platform.resources.gpu_window import open_deployment

    for database in _OPENED:
        database.dispose()
    _OPENED.clear()
    open_store.cache_clear()
    open_deployment.cache_clear()
