"""The chunker as a LlamaIndex node parser, for teams whose own pipelines are built of LlamaIndex parts.

The platform's steps call `chunk_document` directly: importing LlamaIndex costs three seconds of processor time and 100 MB.
Import this module only where that is wanted.
"""

from collections.abc import Sequence
from typing import Any, cast

from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.core.node_parser.interface import IdFuncCallable, NodeParser
from llama_index.core.schema import BaseNode, MetadataMode, NodeRelationship, TextNode
from llama_index.core.schema import Document as LlamaDocument

from kb_platform.index.bundled_model import bundled_folder
from kb_platform.index.chunk import ChunkParameters, chunk_document
from kb_platform.index.outline import read_outline
from kb_platform.index.tokens import ModelTokenizer
from kb_platform.knowledge.documents import Chunk, Document


def ordinal_id(ordinal: int, document: BaseNode) -> str:
    """Return the default node id: the document's, and the chunk's place in it."""
    return f"{document.node_id}:{ordinal}"


class KbNodeParser(NodeParser):
    """Cuts documents as the platform does. `get_content(MetadataMode.EMBED)` of a node is the chunk's `embedded_text`.

    The document's title is read from its metadata field `title`; nodes carry `title`, `heading` (the path, joined by " > ") and
    `context` next to the document's own metadata, and their offsets in characters.
    """

    id_func: IdFuncCallable = Field(default=ordinal_id, description="Function to generate node IDs.")
    context_fields: list[str] = Field(default_factory=list, description="Metadata that the embedder reads before each chunk.")
    _tokenizer: ModelTokenizer = PrivateAttr()
    _params: ChunkParameters = PrivateAttr()

    def __init__(self, tokenizer: ModelTokenizer | None = None, params: ChunkParameters | None = None, **fields: Any) -> None:
        """Use the bundled model's tokenizer and sizes unless others are given."""
        super().__init__(**fields)
        self._tokenizer = tokenizer or ModelTokenizer(bundled_folder())
        self._params = params or ChunkParameters()

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex serialises the component."""
        return "KbNodeParser"

    def _parse_nodes(self, nodes: Sequence[BaseNode], show_progress: bool = False, **kwargs: Any) -> list[BaseNode]:
        return [part for node in nodes for part in self._parse(node)]

    def _parse(self, node: BaseNode) -> list[BaseNode]:
        document = _document(node)
        outline = read_outline(document.text)
        chunks = chunk_document(document, tokenizer=self._tokenizer, params=self._params, context_fields=self.context_fields)
        return [self._node(node, document.title, outline.path_at(chunk.start), chunk) for chunk in chunks]

    def _node(self, source: BaseNode, title: str, path: Sequence[str], chunk: Chunk) -> TextNode:
        own = {"title": title, "heading": " > ".join(path), "context": chunk.context}
        return TextNode(
            id_=self.id_func(chunk.ordinal, source),
            text=chunk.content,
            start_char_idx=chunk.start,
            end_char_idx=chunk.end,
            metadata=own,
            excluded_embed_metadata_keys=sorted({*source.metadata, *own} - {"context"}),
            metadata_template="{value}",
            text_template="{metadata_str}\n{content}",
            relationships={NodeRelationship.SOURCE: source.as_related_node_info()},
        )

    def _postprocess_parsed_nodes(self, nodes: list[BaseNode], parent_doc_map: dict[str, LlamaDocument]) -> list[BaseNode]:
        """Keep our offsets: LlamaIndex searches for the text, and finds the wrong place when a text occurs twice."""
        offsets = [(node.start_char_idx, node.end_char_idx) for node in cast("list[TextNode]", nodes)]
        nodes = super()._postprocess_parsed_nodes(nodes, parent_doc_map)
        for node, (start, end) in zip(cast("list[TextNode]", nodes), offsets, strict=True):
            node.start_char_idx, node.end_char_idx = start, end
        return nodes


def _document(node: BaseNode) -> Document:
    metadata = {key: [str(v) for v in value] if isinstance(value, list) else str(value) for key, value in node.metadata.items()}
    return Document(node.node_id, str(node.metadata.get("title", "")), node.get_content(MetadataMode.NONE), metadata)
