"""Parses a stream of documents in one reader process; one that cannot be read becomes a report.

One process, one document at a time; index/chunk_workers.py runs several such streams beside each other.
"""

from collections.abc import Iterable, Iterator
from contextlib import nullcontext

from kb_platform.ingest.limits import ParseLimits
from kb_platform.ingest.parse import parse_document
from kb_platform.ingest.sandbox import Sandbox
from kb_platform.ingest.unreadable import DocumentUnreadable
from kb_platform.knowledge.documents import Document, DocumentFailure, RawDocument


def parse_documents(
    raws: Iterable[RawDocument], limits: ParseLimits = ParseLimits(), sandbox: Sandbox | None = None
) -> Iterator[Document | DocumentFailure]:
    """Yield a document or the reason why there is none, in the order of delivery, one in memory at a time.

    `sandbox` is a running reader process to use; without one, a process is started for these documents, with these limits.
    """
    with nullcontext(sandbox) if sandbox else Sandbox(limits) as reader:
        for raw in raws:
            try:
                yield parse_document(raw, limits, reader)
            except DocumentUnreadable as error:
                yield DocumentFailure(raw.doc_id, raw.source_object, str(error))
