"""One document as a row of the chunk file: its chunks, each with terms, weights and the hashes that say whether it is new.

`content_hash` covers all that decides a chunk's row, `text_hash` only what the model reads, `version_hash` what the document shows.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from kb_platform.index.analysis.analyzers import Analyzer, analyzer_for
from kb_platform.index.chunk import chunk_document
from kb_platform.index.lexical import chunk_fields, weigh_document
from kb_platform.index.pipeline import Pipeline
from kb_platform.index.readability import said_of, unread_share
from kb_platform.index.tokens import ModelTokenizer
from kb_platform.ingest.parse import WARNINGS
from kb_platform.ingest.parse_many import parse_documents
from kb_platform.ingest.sandbox import Sandbox
from kb_platform.knowledge.documents import Chunk, Document, DocumentFailure, RawDocument
from kb_platform.knowledge.knowledge_base import Source


def document_rows(
    raws: Sequence[RawDocument], source: Source, pipeline: Pipeline, tokenizer: ModelTokenizer, sandbox: Sandbox
) -> list[dict[str, Any]]:
    """Parse, cut and weigh some documents; one that cannot be read is a row with the reason."""
    rows: list[dict[str, Any]] = []
    for raw, parsed in zip(raws, parse_documents(raws, sandbox=sandbox), strict=True):
        if isinstance(parsed, DocumentFailure):
            rows.append({"doc_id": parsed.doc_id, "deleted": False, "failure": parsed.reason, "source_object": parsed.source_object})
        else:
            rows.append(document_row(parsed, raw.source_object, source, pipeline, tokenizer))
    return rows


def document_row(
    document: Document, source_object: str, source: Source, pipeline: Pipeline, tokenizer: ModelTokenizer
) -> dict[str, Any]:
    """Cut and weigh a document, and return it in the format of index/chunk_files.py."""
    pieces = chunk_document(document, tokenizer=tokenizer, params=pipeline.chunk_sizes(tokenizer), context_fields=source.context)
    chunks, seen, analyzer = [], Counter[bytes](), analyzer_for(source.analyzer, document.text)
    for piece in pieces:
        chunk = _weighed(document, piece, source, pipeline, analyzer)
        chunks.append(chunk | {"dup_no": seen[chunk["content_hash"]]})
        seen[chunk["content_hash"]] += 1
    metadata = json.dumps(_told(document, tokenizer), sort_keys=True, ensure_ascii=False)
    layout = [[c["start"], c["end"], c["content_hash"].hex()] for c in chunks]
    version = hashlib.sha256(json.dumps([document.title, metadata, document.media_type, layout]).encode()).digest()
    return {"doc_id": document.doc_id, "deleted": False, "version_hash": version, "title": document.title, "metadata": metadata,
            "media_type": document.media_type, "source_object": source_object, "chunks": chunks}


def _told(document: Document, tokenizer: ModelTokenizer) -> dict[str, Any]:
    """Return a document's metadata, with what the model cannot read among what a person should know of it."""
    said = said_of(unread_share(document.text, tokenizer))
    return {**document.metadata, WARNINGS: [*document.metadata.get(WARNINGS, ()), said]} if said else dict(document.metadata)


def _weighed(document: Document, piece: Chunk, source: Source, pipeline: Pipeline, analyzer: Analyzer) -> dict[str, Any]:
    fields = chunk_fields(document, piece, source.searchable)
    terms, weights = weigh_document(fields, analyzer)
    text_hash = pipeline.space.text_hash(piece.embedded_text)
    identity = json.dumps([pipeline.fingerprint, analyzer.name, text_hash.hex(), fields["title"], fields["metadata"]], ensure_ascii=False)
    return {"ordinal": piece.ordinal, "start": piece.start, "end": piece.end, "content": piece.content, "context": piece.context,
            "content_hash": hashlib.sha256(identity.encode(errors="surrogatepass")).digest(), "text_hash": text_hash,
            "terms": terms, "weights": weights}
