"""The chunks step: parse, split and weigh what pending deliveries brought; one file a capture, written once.

A file that is there is whole and is not made again: chunking costs what was delivered since, not what the day holds.
"""

import datetime as dt
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kb_platform.index.bundled_model import bundled_tokenizer
from kb_platform.index.chunk import ChunkParameters, chunk_document
from kb_platform.index.chunk_files import SCHEMA, chunk_file
from kb_platform.index.lexical import chunk_fields, weigh_document
from kb_platform.index.pipeline import Pipeline, pipeline_of
from kb_platform.index.tokens import ModelTokenizer
from kb_platform.ingest.parse_many import parse_documents
from kb_platform.ingest.raw_files import read_capture
from kb_platform.knowledge.documents import Chunk, Document, DocumentFailure, RawDocument
from kb_platform.knowledge.knowledge_base import KnowledgeBase, Source
from kb_platform.storage.captures import unapplied_captures
from kb_platform.storage.stores import Store


@dataclass(frozen=True)
class ChunkReport:
    """What a step did; all zero when no delivery was pending."""

    rows: int
    documents: int
    captures: int
    failed: int
    failures: tuple[DocumentFailure, ...] = ()


def chunk_deliveries(store: Store, kb: KnowledgeBase, source: str, days: Sequence[dt.date]) -> ChunkReport:
    """Chunk the pending captures of a source up to the newest of `days`. A document that cannot be read is a row with a reason."""
    pipeline, chunks, documents = pipeline_of(kb), 0, 0
    captures = unapplied_captures(store.database, pipeline.fingerprint, [source], max(days))
    failures: list[DocumentFailure] = []
    for capture in captures:
        name = chunk_file(capture, pipeline.fingerprint)
        if not store.objects.exists(name):
            delivered = read_capture(store.objects, capture.file)
            store.objects.write(name, SCHEMA, _rows(delivered, kb.source(source), pipeline))
        for row in store.objects.read(name):
            documents, chunks = documents + 1, chunks + len(row["chunks"] or ())
            if row["failure"]:
                failures.append(DocumentFailure(row["doc_id"], row["source_object"], row["failure"]))
    return ChunkReport(rows=chunks, documents=documents, captures=len(captures), failed=len(failures), failures=tuple(failures))


def _rows(delivered: Iterator[RawDocument | str], source: Source, pipeline: Pipeline) -> Iterator[dict[str, Any]]:
    deleted: list[str] = []
    tokenizer = bundled_tokenizer()
    raws: dict[str, RawDocument] = {}

    def documents() -> Iterator[RawDocument]:
        for item in delivered:
            if isinstance(item, str):
                deleted.append(item)
            else:
                raws[item.doc_id] = item
                yield item

    for parsed in parse_documents(documents()):
        raw = raws.pop(parsed.doc_id)
        if isinstance(parsed, DocumentFailure):
            yield {"doc_id": parsed.doc_id, "deleted": False, "failure": parsed.reason, "source_object": parsed.source_object}
        else:
            yield _row(parsed, raw.source_object, source, pipeline, tokenizer)
    for doc_id in deleted:
        yield {"doc_id": doc_id, "deleted": True, "title": "", "metadata": "{}", "media_type": "", "source_object": "",
               "version_hash": b""}


def _row(document: Document, source_object: str, source: Source, pipeline: Pipeline, tokenizer: ModelTokenizer) -> dict[str, Any]:
    pieces = chunk_document(document, tokenizer=tokenizer, params=ChunkParameters(), context_fields=source.context)
    chunks, seen = [], Counter[bytes]()
    for piece in pieces:
        chunk = _weighed(document, piece, source, pipeline)
        chunks.append(chunk | {"dup_no": seen[chunk["content_hash"]]})
        seen[chunk["content_hash"]] += 1
    metadata = json.dumps(dict(document.metadata), sort_keys=True, ensure_ascii=False)
    layout = [[c["start"], c["end"], c["content_hash"].hex()] for c in chunks]
    version = hashlib.sha256(json.dumps([document.title, metadata, document.media_type, layout]).encode()).digest()
    return {"doc_id": document.doc_id, "deleted": False, "version_hash": version, "title": document.title, "metadata": metadata,
            "media_type": document.media_type, "source_object": source_object, "chunks": chunks}


def _weighed(document: Document, piece: Chunk, source: Source, pipeline: Pipeline) -> dict[str, Any]:
    fields = chunk_fields(document, piece, source.searchable)
    terms, weights = weigh_document(fields)
    text_hash = pipeline.space.text_hash(piece.embedded_text)
    identity = json.dumps([pipeline.fingerprint, text_hash.hex(), fields["title"], fields["metadata"]], ensure_ascii=False)
    return {"ordinal": piece.ordinal, "start": piece.start, "end": piece.end, "content": piece.content, "context": piece.context,
            "content_hash": hashlib.sha256(identity.encode(errors="surrogatepass")).digest(), "text_hash": text_hash,
            "terms": terms, "weights": weights}
