"""A retriever for LlamaIndex: `pip install 'kb-client[llama-index]'`."""

from collections.abc import Mapping
from typing import Any

from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from kb_client.async_client import AsyncKnowledgeBase
from kb_client.calls import Value
from kb_client.client import KnowledgeBase
from kb_client.messages import Answer
from kb_client.references import AWAITED, reference

SILENT = ["knowledge_base", "release", "chunk", "start", "end"]  # what a model need not read


class KbRetriever(BaseRetriever):
    """Finds the k best chunks of a knowledge base, of documents that have these metadata. A pinned one is read from its release.

    One of an `AsyncClient` will do alone where everything is awaited; beside another, it is the one that is awaited.
    """

    def __init__(
        self, knowledge_base: KnowledgeBase | AsyncKnowledgeBase, async_knowledge_base: AsyncKnowledgeBase | None = None, *, k: int = 5,
        filters: Mapping[str, Value] | None = None, **more: Any,
    ) -> None:
        super().__init__(**more)
        self._kb, self._async_kb, self._k, self._filters = knowledge_base, async_knowledge_base, k, filters

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        if isinstance(self._kb, AsyncKnowledgeBase):
            raise TypeError(AWAITED.format("aretrieve"))
        return _nodes(self._kb.search(query_bundle.query_str, k=self._k, filters=self._filters))

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        asked = self._async_kb or self._kb
        if not isinstance(asked, AsyncKnowledgeBase):
            return self._retrieve(query_bundle)
        return _nodes(await asked.search(query_bundle.query_str, k=self._k, filters=self._filters))


def _nodes(answer: Answer) -> list[NodeWithScore]:
    return [NodeWithScore(score=hit.score, node=TextNode(
        id_=f"{answer.knowledge_base}/{answer.release}/{hit.chunk}", text=hit.content, metadata=reference(answer, hit), start_char_idx=hit.start,
        end_char_idx=hit.end, excluded_embed_metadata_keys=SILENT, excluded_llm_metadata_keys=SILENT)) for hit in answer.hits]
