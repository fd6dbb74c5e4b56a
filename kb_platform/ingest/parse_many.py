"""Parses a stream of documents in one reader process; one that cannot be read becomes a report.

One process, one document at a time: reading costs about a hundredth of what embedding the same text costs, so that a pool would
only hold more documents in memory.
"""

from collections.abc import Iterable, Iterator

from kb_platform.ingest.limits import ParseLimits
from kb_platform.ingest.parse import parse_document
from kb_platform.ingest.sandbox import Sandbox
from kb_platform.ingest.unreadable import DocumentUnreadable
from kb_platform.knowledge.documents import Document, DocumentFailure, RawDocument


def parse_documents(raws: Iterable[RawDocument], limits: ParseLimits = ParseLimits()) -> Iterator[Document | DocumentFailure]:
    """Yield a document or the reason why there is none, in the order of delivery, one in memory at a time."""
    with Sandbox(limits) as sandbox:
        for raw in raws:
            try:
                yield parse_document(raw, limits, sandbox)
            except DocumentUnreadable as error:
                yield DocumentFailure(raw.doc_id, raw.source_object, str(error))
