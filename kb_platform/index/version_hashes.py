"""What a release would show of documents, as hashes: tells whether a document is still what one shows. Nothing is stored."""

from collections.abc import Iterable, Iterator

from kb_platform.index.chunk_workers import chunk_documents, worthwhile_processes
from kb_platform.index.pipeline import pipeline_of
from kb_platform.knowledge.documents import RawDocument
from kb_platform.knowledge.knowledge_base import KnowledgeBase


def version_hashes(kb: KnowledgeBase, source: str, documents: Iterable[RawDocument], size: int) -> Iterator[bytes | None]:
    """Yield each document's version hash, in their order, under the YAML's pipeline; None of one that cannot be read. `size`: about how many."""
    rows = chunk_documents(documents, kb.source(source), pipeline_of(kb, source), processes=worthwhile_processes(size))
    for row in rows:
        yield row.get("version_hash")
