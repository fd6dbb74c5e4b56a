"""The retrievers, as LlamaIndex and LangChain call them."""

import asyncio

import pytest

from kb_client import AsyncClient, Client
from kb_platform_tests.serving.apis import TIMEOUT, Api
from kb_platform_tests.serving.conftest import WARDS

QUESTION = "who arranges visitors on the ward"


def test_llama_index_gets_nodes_with_scores_and_where_they_are_from(open_api: Api) -> None:
    from llama_index.core.schema import MetadataMode

    from kb_client.llama_index import KbRetriever

    with Client(open_api.url, timeout=TIMEOUT) as client:
        wards = client.knowledge_base(WARDS)
        answer = wards.search(QUESTION, k=2, filters={"unit": "visitors"})
        retriever = KbRetriever(wards, k=2, filters={"unit": "visitors"})
        nodes = retriever.retrieve(QUESTION)
        assert [(n.text, n.score, n.node.node_id) for n in nodes] == [(h.content, h.score, f"{WARDS}/2/{h.chunk}") for h in answer.hits]
        assert nodes[0].metadata["doc_id"] == "visitors/page one.md"
        assert (nodes[0].node.start_char_idx, nodes[0].node.end_char_idx) == (answer.hits[0].start, answer.hits[0].end)  # pyright: ignore[reportAttributeAccessIssue]
        read = nodes[0].node.get_content(MetadataMode.LLM)
        assert "title: Visitors" in read
        assert "chunk:" not in read

        async def all_ways() -> list[list[str]]:
            async with AsyncClient(open_api.url, timeout=TIMEOUT) as awaited:
                beside = KbRetriever(wards, awaited.knowledge_base(WARDS), k=2, filters={"unit": "visitors"})
                alone = KbRetriever(awaited.knowledge_base(WARDS), k=2, filters={"unit": "visitors"})
                with pytest.raises(TypeError, match="await aretrieve"):
                    alone.retrieve(QUESTION)
                return [[n.text for n in await each.aretrieve(QUESTION)] for each in (beside, alone, retriever)]

        assert asyncio.run(all_ways()) == [[h.content for h in answer.hits]] * 3
        assert "first edition" in KbRetriever(wards.pinned(1), k=1).retrieve(QUESTION)[0].text


@pytest.mark.filterwarnings("ignore::DeprecationWarning:langsmith.*")
def test_langchain_gets_documents_and_its_chains_can_use_them(open_api: Api) -> None:
    from langchain_core.runnables import RunnableLambda

    from kb_client.langchain import KbRetriever

    with Client(open_api.url, timeout=TIMEOUT) as client:
        wards = client.knowledge_base(WARDS)
        answer = wards.search(QUESTION, k=2)
        retriever = KbRetriever(knowledge_base=wards, k=2)
        documents = retriever.invoke(QUESTION)
        assert [(d.page_content, d.metadata["score"], d.id) for d in documents] == [(h.content, h.score, f"{WARDS}/2/{h.chunk}") for h in answer.hits]
        assert documents[0].metadata["source"] == "docs"
        chain = retriever | RunnableLambda(lambda found: [d.metadata["title"] for d in found])
        assert chain.invoke(QUESTION)[0] == "Visitors"

        async def all_ways() -> list[list[str]]:
            async with AsyncClient(open_api.url, timeout=TIMEOUT) as awaited:
                beside = KbRetriever(knowledge_base=wards, async_knowledge_base=awaited.knowledge_base(WARDS), k=2)
                alone = KbRetriever(knowledge_base=awaited.knowledge_base(WARDS), k=2)
                with pytest.raises(TypeError, match="await ainvoke"):
                    alone.invoke(QUESTION)
                return [[d.page_content for d in await each.ainvoke(QUESTION)] for each in (beside, alone, retriever)]

        assert asyncio.run(all_ways()) == [[h.content for h in answer.hits]] * 3
        assert "first edition" in KbRetriever(knowledge_base=wards.pinned(1), k=1).invoke(QUESTION)[0].page_content
