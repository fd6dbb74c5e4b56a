"""What assets reach the outside through: thin, opened when first used, one embedder a process."""

from functools import cache
from typing import TYPE_CHECKING

import dagster as dg

from kb_platform.knowledge.errors import ConfigError
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.settings import Settings

if TYPE_CHECKING:  # the code location loads without the database's and the model's libraries
    from kb_platform.index.embed import Embedder
    from kb_platform.storage.stores import Store

_OPENED: "list[Store]" = []


class Platform(dg.ConfigurableResource):
    """The database, the object store and the embedder, as the settings name them when a run starts."""

    def store(self, kb: KnowledgeBase) -> "Store":
        """Return a knowledge base's stores, with its schema at the newest revision."""
        return open_store(kb.name)

    def embedder(self) -> "Embedder":
        """Return the embedder; the model is loaded once a process, in under a second."""
        return load_embedder()


@cache
def open_store(name: str) -> "Store":
    """Open and migrate, once a process."""
    from kb_platform.storage.database import Database
    from kb_platform.storage.migrate import migrate
    from kb_platform.storage.objects import ObjectStore
    from kb_platform.storage.stores import Store

    settings = Settings()
    if settings.database_url is None:
        raise ConfigError("KB_DATABASE_URL is not set", where="environment", expected="the address of the database",
                          action="start through `kb up` or `kb refresh`, or set what `kb env` prints")
    database = Database(settings.database_url.get_secret_value(), name)
    migrate(database)
    store = Store(database, ObjectStore(f"{settings.object_store_url.rstrip('/')}/{name}"))
    _OPENED.append(store)
    return store


@cache
def load_embedder() -> "Embedder":
    """Load the bundled model once a process."""
    from kb_platform.index.embed import load_bundled_embedder

    return load_bundled_embedder()


def close_stores() -> None:
    """Close the pools of the stores that this process opened, so that a server can be stopped."""
    for store in _OPENED:
        store.database.dispose()
    open_store.cache_clear()
