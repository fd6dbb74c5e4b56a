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
from kb_client.references import reference


class KbRetriever(BaseRetriever):
    """Finds the k best chunks of a knowledge base, of documents that have these metadata. A pinned one is read from its release."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    knowledge_base: KnowledgeBase
    async_knowledge_base: AsyncKnowledgeBase | None = None
    k: int = 5
    filters: Mapping[str, Value] | None = None

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        return _documents(self.knowledge_base.search(query, k=self.k, filters=self.filters))

    async def _aget_relevant_documents(self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun) -> list[Document]:
        if self.async_knowledge_base is None:
            return await super()._aget_relevant_documents(query, run_manager=run_manager)
        return _documents(await self.async_knowledge_base.search(query, k=self.k, filters=self.filters))


def _documents(answer: Answer) -> list[Document]:
    return [Document(page_content=hit.content, metadata=reference(answer, hit) | {"score": hit.score},
                     id=f"{answer.knowledge_base}/{answer.release}/{hit.chunk}") for hit in answer.hits]
