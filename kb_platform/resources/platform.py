"""The Dagster resource that assets and checks are given."""

from typing import TYPE_CHECKING

import dagster as dg

from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.progress import Progress
from kb_platform.resources import heard, load_embedder, open_store

if TYPE_CHECKING:  # the code location loads without the database's and the model's libraries
    import datetime as dt

    from kb_platform.index.embed import Embedder
    from kb_platform.knowledge.spaces import EmbeddingSpace
    from kb_platform.resources.gpu_window import Allowance
    from kb_platform.storage.stores import Store


class Platform(dg.ConfigurableResource):
    """The database, the object store and the embedder, as the settings name them when a run starts."""

    def store(self, kb: KnowledgeBase) -> "Store":
        """Return a knowledge base's stores, with its schema at the newest revision."""
        return open_store(kb.name)

    def embedder(self, space: "EmbeddingSpace") -> "Embedder":
        """Return what computes vectors of a space; the bundled model is loaded once a process, in under a second."""
        return load_embedder(space)

    def allowance(self, kb: KnowledgeBase, began: "dt.datetime | None" = None) -> "Allowance":
        """Return what a step that embeds asks before each group of texts; its time began then, or begins now."""
        from kb_platform.resources.gpu_window import Allowance, window_now

        return Allowance(lambda: window_now(kb), kb.embed_budget, began=began)

    @property
    def progress(self) -> Progress:
        """Return whom steps tell how far they are: the terminal of the command that runs them, else nobody."""
        return heard()
