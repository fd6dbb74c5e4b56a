"""The two places where a knowledge base keeps things."""

from dataclasses import dataclass

from kb_platform.storage.database import Database
from kb_platform.storage.objects import ObjectStore


@dataclass(frozen=True)
class Store:
    """One knowledge base's database and its folder in the object store."""

    database: Database
    objects: ObjectStore
