"""The platform's embedder behind LlamaIndex's embedding interface, for teams whose own pipelines are built of its parts.

Importing LlamaIndex costs three seconds of processor time and 100 MB: import this module only where that is wanted.
"""

import asyncio
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import PrivateAttr

from kb_platform.index.embed import Embedder, load_bundled_embedder


class KbEmbedding(BaseEmbedding):
    """Vectors of the platform's embedding space: queries are cut at the model's limit, texts beyond it raise PermanentError."""

    _embedder: Embedder = PrivateAttr()

    def __init__(self, embedder: Embedder | None = None, **fields: Any) -> None:
        """Wrap an embedder; without one, load the bundled model."""
        embedder = embedder or load_bundled_embedder()
        super().__init__(**{"model_name": embedder.space.model, "embed_batch_size": 256, **fields})
        self._embedder = embedder

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex serialises the component."""
        return "KbEmbedding"

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._embedder.embed_query(query).tolist()

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._embedder.embed([text])[0].tolist()

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._embedder.embed(texts).tolist()

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._get_query_embedding, query)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)
