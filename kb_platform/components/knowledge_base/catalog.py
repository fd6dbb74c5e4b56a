"""What the catalog says of each asset beside its description: key, group, owners, kinds, columns, table, version of the code.

The columns are those of the Parquet files and of the Postgres tables; a test compares them with the real ones. A code version is
raised with every change of what the step makes of the same input; Dagster then marks what older code has made.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import dagster as dg

from kb_platform.components.executors.choice import pod_tags
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.versions import CHUNKER_VERSION, PARSER_VERSION, TOKENIZER_VERSION

CODE_VERSIONS = {
    "raw_documents": "capture-1",
    "chunks": f"{PARSER_VERSION} {CHUNKER_VERSION} {TOKENIZER_VERSION}",
    "embeddings": "vectors-1",
    "vector_index": "rows-1",
    "release_candidate": "seal-1",
    "promoted_release": "pointer-1",
    "maintenance": "upkeep-1",
}
TABLES = {"embeddings": "vector", "vector_index": "chunk", "release_candidate": "release", "promoted_release": "active",
          "maintenance": "gc_horizon"}
COLUMNS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "raw_documents": (
        ("doc_id", "string", "The source's name for the document."),
        ("change", "string", "upsert or delete."),
        ("content", "large_binary", "The bytes, as they were delivered."),
        ("media_type", "string", "What the source says they are."),
        ("title", "string", "As the source says; the parser may find a better one."),
        ("metadata", "string", "JSON: what else the source says."),
        ("source_object", "string", "Where it was found: a path, or file.jsonl:12."),
        ("digest", "binary", "SHA-256 over all of it: equal digests mean that nothing changed."),
    ),
    "chunks": (
        ("doc_id", "string", "The source's name for the document."),
        ("deleted", "bool", "The source no longer has it."),
        ("failure", "string", "Why it could not be read; empty for those that could."),
        ("version_hash", "binary", "SHA-256 of the parsed document with its cuts."),
        ("title", "string", "Title of the document."),
        ("metadata", "string", "JSON: from the source and from the document itself."),
        ("media_type", "string", "What the parser found it to be."),
        ("source_object", "string", "Where it was found."),
        ("chunks", "list", "Offsets, content, context, hashes, terms and their weights, of each chunk."),
    ),
    "embeddings": (
        ("space_id", "text", "The embedding space: model, tokenizer, prefixes, chunker."),
        ("text_hash", "bytea", "SHA-256 of space and text: a text is embedded once, whatever delivered it."),
        ("embedding", "halfvec", "The vector, of length 1."),
        ("added_at", "timestamp with time zone", "When it was computed."),
    ),
    "vector_index": (
        ("id", "bigint", "What `kb search` prints and `kb trace` takes."),
        ("source", "text", "The source of the document."),
        ("doc_id", "text", "The document."),
        ("content_hash", "bytea", "Identity of the chunk: pipeline, text, title and metadata."),
        ("dup_no", "integer", "Number among equal chunks of one document."),
        ("valid_from", "integer", "The first release that holds the row."),
        ("valid_to", "integer", "The first release that no longer does; 2147483647 while none has closed it."),
        ("content", "text", "The document's text from start to end, unaltered."),
        ("context", "text", "Title and headings that the embedder reads in front of it."),
        ("text_hash", "bytea", "Key of its vector."),
        ("terms", "integer[]", "Numbers of the terms that it holds."),
        ("term_weights", "sparsevec(1000000000)", "BM25F: saturated term frequencies."),
        ("embedding", "halfvec", "The vector, of length 1."),
        ("space_id", "text", "The embedding space, and with it the partition."),
        ("index_no", "integer", "An HNSW index of this number, or of a higher one, holds it."),
    ),
    "release_candidate": (
        ("release_id", "integer", "Releases count from 1; ids are never used again."),
        ("base_release", "integer", "The release that it was built on."),
        ("status", "text", "building, sealed, promoted, retired or discarded."),
        ("space_id", "text", "The embedding space that searches of it use."),
        ("pipeline", "text", "Fingerprint of what turned documents into rows."),
        ("content_digest", "bytea", "Hash of the sealed content: verdicts are about it."),
        ("required_gates", "text[]", "The gates that must pass, frozen at the seal."),
        ("gates_passed", "integer", "How many of them have passed for this digest."),
        ("promotable", "boolean", "Computed by the database; only such a release can be promoted."),
        ("verdict", "text", "pass, regression or inconclusive."),
        ("report", "jsonb", "The evidence of each gate."),
        ("chunk_count", "integer", "Chunks of the sealed content."),
        ("document_count", "integer", "Documents of the sealed content."),
        ("run_id", "text", "The run that wrote to it last."),
        ("created_at", "timestamp with time zone", "When it was opened."),
        ("sealed_at", "timestamp with time zone", "When its content was frozen."),
        ("promoted_at", "timestamp with time zone", "When it was first promoted."),
        ("digest_version", "integer", "3: the digest covers vectors, weights, layout and the required gates, too; 2: without the gates; 1: without all of these."),
        ("index_no", "integer", "An index of this number, or of a higher one, holds all of its chunks."),
    ),
    "promoted_release": (
        ("one", "boolean", "Always true: there is one row."),
        ("release_id", "integer", "The release that readers see."),
        ("promotable", "boolean", "Always true, by a foreign key to the release."),
        ("promoted_at", "timestamp with time zone", "When the pointer moved."),
        ("promoted_by", "text", "The role that moved it."),
    ),
    "maintenance": (
        ("one", "boolean", "Always true: there is one row."),
        ("release_id", "integer", "The oldest release whose rows are all there: nothing below it can be read or promoted."),
    ),
}


def details(
    kb: KnowledgeBase, asset: str, kinds: Iterable[str], *, owners: Sequence[str], folder: str = "", about: str = "",
) -> dict[str, Any]:
    """Return the arguments of an asset that the catalog is filled from, and its pod's tags; `folder` is a source's part of the key."""
    columns = [dg.TableColumn(name, kind, description=text) for name, kind, text in COLUMNS[asset]]
    metadata: dict[str, Any] = {"dagster/column_schema": dg.TableSchema(columns)}
    if about:
        metadata["knowledge_base"] = about
    if asset in TABLES:
        metadata["dagster/table_name"] = f"kb_{kb.name}.{TABLES[asset]}"
    return {
        "key_prefix": [kb.name, folder] if folder else [kb.name], "group_name": kb.name, "owners": owners, "kinds": set(kinds),
        "metadata": metadata, "code_version": CODE_VERSIONS[asset],
        "op_tags": pod_tags(kb, kb.compute.embed if asset == "embeddings" else kb.compute.run_pods),
    }
