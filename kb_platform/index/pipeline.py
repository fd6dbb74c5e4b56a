"""What decides how a document becomes rows: one value, so that a change of any part is seen everywhere at once."""

from dataclasses import dataclass

from kb_platform.index.bundled_model import bundled_space
from kb_platform.index.lexical import LEXICAL_VERSION
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.spaces import EmbeddingSpace

PARSER_VERSION = "parse-1"


@dataclass(frozen=True)
class Pipeline:
    """The embedding space (model and chunker), and the fingerprint over everything else that shapes rows."""

    space: EmbeddingSpace
    fingerprint: str


def pipeline_of(kb: KnowledgeBase) -> Pipeline:
    """Return the pipeline that a knowledge base's YAML asks for. Loads no model."""
    space = bundled_space()
    return Pipeline(space, kb.pipeline(space.space_id, LEXICAL_VERSION, PARSER_VERSION))
