"""Chunker and embedder behind LlamaIndex's interfaces."""

import asyncio

import numpy as np
import pytest

from kb_platform.index.bundled_model import bundled_tokenizer
from kb_platform.index.chunk import ChunkParameters, chunk_document
from kb_platform.index.embed import OpenVinoEmbedder, load_bundled_embedder
from kb_platform.knowledge.documents import Document
from kb_platform.knowledge.errors import PermanentError

pytestmark = pytest.mark.filterwarnings("default")  # what LlamaIndex does on import is not ours to fail on

REPEATED = "Take it with food and plenty of water, as told. " * 30
TEXT = f"# Aspirin\n\n## Dose\n\n{REPEATED}\n\n## Dose in children\n\n{REPEATED}\n"


@pytest.fixture(scope="module")
def embedder() -> OpenVinoEmbedder:
    return load_bundled_embedder()


def test_nodes_are_the_platforms_chunks_with_their_true_offsets() -> None:
    from llama_index.core.schema import Document as LlamaDocument
    from llama_index.core.schema import MetadataMode, NodeRelationship, TextNode

    from kb_platform.index.llama_nodes import KbNodeParser

    source = LlamaDocument(id_="d", text=TEXT, metadata={"title": "Aspirin", "synonyms": ["ASA"], "page": 3})
    nodes = KbNodeParser(context_fields=["synonyms"]).get_nodes_from_documents([source])
    document = Document("d", "Aspirin", TEXT, {"synonyms": ["ASA"]})
    chunks = chunk_document(document, tokenizer=bundled_tokenizer(), params=ChunkParameters(), context_fields=["synonyms"])
    assert len(nodes) == len(chunks) > 3
    for node, chunk in zip(nodes, chunks, strict=True):
        assert isinstance(node, TextNode)
        assert (node.start_char_idx, node.end_char_idx, node.text) == (chunk.start, chunk.end, chunk.content)
        assert node.get_content(MetadataMode.EMBED) == chunk.embedded_text
        assert (node.ref_doc_id, node.metadata["title"], node.metadata["page"]) == ("d", "Aspirin", 3)
    assert nodes[1].metadata["heading"] == "Aspirin > Dose"
    assert [node.node_id for node in nodes] == [f"d:{i}" for i in range(len(nodes))]
    assert nodes[0].relationships[NodeRelationship.NEXT].node_id == nodes[1].node_id  # type: ignore[union-attr]


def test_the_parser_takes_other_sizes_and_ids_and_runs_as_a_transformation() -> None:
    from llama_index.core.schema import TextNode

    from kb_platform.index.llama_nodes import KbNodeParser

    parser = KbNodeParser(bundled_tokenizer(), ChunkParameters(content_tokens=130), id_func=lambda i, _document: f"mine-{i}")
    nodes = parser([TextNode(text=TEXT)])
    assert nodes[0].node_id == "mine-0"
    assert len(nodes) > len(KbNodeParser()([TextNode(text=TEXT)]))
    assert KbNodeParser.class_name() == "KbNodeParser"
    assert asyncio.run(parser.acall([TextNode(text="")])) == []


def test_embeddings_are_the_platforms_vectors(embedder: OpenVinoEmbedder) -> None:
    from kb_platform.index.llama_embedding import KbEmbedding

    model = KbEmbedding(embedder)
    texts = ["Aspirin thins the blood.", "Take with food."]
    np.testing.assert_allclose(model.get_text_embedding_batch(texts), embedder.embed(texts), atol=1e-3)
    np.testing.assert_allclose(model.get_text_embedding(texts[0]), embedder.embed(texts[:1])[0], atol=1e-3)
    np.testing.assert_allclose(model.get_query_embedding("food"), embedder.embed_query("food"), atol=1e-3)
    assert model.model_name == embedder.space.model
    with pytest.raises(PermanentError):
        model.get_text_embedding("dose " * 300)


def test_asynchronous_calls_give_the_same(embedder: OpenVinoEmbedder) -> None:
    from kb_platform.index.llama_embedding import KbEmbedding

    async def both() -> tuple[list[float], list[list[float]]]:
        model = KbEmbedding(embedder)
        return await model.aget_query_embedding("food"), await model.aget_text_embedding_batch(["food", "water"])

    query, texts = asyncio.run(both())
    np.testing.assert_allclose(query, embedder.embed_query("food"), atol=1e-3)
    np.testing.assert_allclose(texts, embedder.embed(["food", "water"]), atol=1e-3)
