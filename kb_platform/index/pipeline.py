"""What decides how a document becomes rows: one value, so that a change of any part is seen everywhere at once."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from kb_platform.index.chunk import ChunkParameters
from kb_platform.index.lexical import LEXICAL_VERSION
from kb_platform.index.model_folder import chunk_parameters, space_of
from kb_platform.index.tokens import ModelTokenizer
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.spaces import EmbeddingSpace
from kb_platform.knowledge.versions import PARSER_VERSION


@dataclass(frozen=True)
class Pipeline:
    """The embedding space (model and chunker), and the fingerprint over it and everything else that shapes a source's rows."""

    space: EmbeddingSpace
    fingerprint: str
    sizes: ChunkParameters = ChunkParameters()

    def chunk_sizes(self, tokenizer: ModelTokenizer) -> ChunkParameters:
        """Return the chunker's sizes, less what the passage prefix takes of the model's tokens."""
        return replace(self.sizes, max_tokens=self.sizes.max_tokens - tokenizer.count(self.space.passage_prefix))


def pipeline_of(kb: KnowledgeBase, source: str) -> Pipeline:
    """Return the pipeline that a knowledge base's YAML asks for, for one of its sources. Loads no model.

    Raises:
        ConfigError: the YAML's embedding section names no model, or asks for more than it has.
    """
    space = space_of(kb.embedding)
    return Pipeline(space, kb.pipeline(source, space.space_id, LEXICAL_VERSION, PARSER_VERSION), chunk_parameters(kb.embedding))


def whole_fingerprint(pipelines: Mapping[str, Pipeline]) -> str:
    """Return one fingerprint for all sources, as a release records it."""
    parts = sorted((source, pipeline.fingerprint) for source, pipeline in pipelines.items())
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def pipelines_of(kb: KnowledgeBase) -> dict[str, Pipeline]:
    """Return the pipeline of each source; all have the same space."""
    return {source.name: pipeline_of(kb, source.name) for source in kb.sources}
