"""Parses a stream of documents; one that cannot be read becomes a report."""

from collections.abc import Iterable, Iterator

from kb_platform.ingest.clean import DocumentUnreadable
from kb_platform.ingest.parse import parse_document
from kb_platform.knowledge.documents import Document, DocumentFailure, RawDocument


def parse_documents(raws: Iterable[RawDocument]) -> Iterator[Document | DocumentFailure]:
    """Yield a document or the reason why there is none, in the order of delivery, one in memory at a time."""
    for raw in raws:
        try:
            yield parse_document(raw)
        except DocumentUnreadable as error:
            yield DocumentFailure(raw.doc_id, raw.source_object, str(error))
