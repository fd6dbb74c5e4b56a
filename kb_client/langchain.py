"""A retriever for LangChain: `pip install 'kb-client[langchain]'`."""

from collections.abc import Mapping

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict

from kb_client.async_client import AsyncKnowledgeBase
from kb_client.calls import Value
from kb_client.client import KnowledgeBase
from kb_client.messages import Answer
from kb_client.references import AWAITED, reference


class KbRetriever(BaseRetriever):
    """Finds the k best chunks of a knowledge base, of documents that have these metadata. A pinned one is read from its release.

    One of an `AsyncClient` will do alone where everything is awaited; beside another, it is the one that is awaited.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    knowledge_base: KnowledgeBase | AsyncKnowledgeBase
    async_knowledge_base: AsyncKnowledgeBase | None = None
    k: int = 5
    filters: Mapping[str, Value] | None = None

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        if isinstance(self.knowledge_base, AsyncKnowledgeBase):
            raise TypeError(AWAITED.format("ainvoke"))
        return _documents(self.knowledge_base.search(query, k=self.k, filters=self.filters))

    async def _aget_relevant_documents(self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun) -> list[Document]:
        asked = self.async_knowledge_base or self.knowledge_base
        if not isinstance(asked, AsyncKnowledgeBase):
            return await super()._aget_relevant_documents(query, run_manager=run_manager)
        return _documents(await asked.search(query, k=self.k, filters=self.filters))


def _documents(answer: Answer) -> list[Document]:
    return [Document(page_content=hit.content, metadata=reference(answer, hit) | {"score": hit.score},
                     id=f"{answer.knowledge_base}/{answer.release}/{hit.chunk}") for hit in answer.hits]
