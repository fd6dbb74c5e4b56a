"""The file between chunking and the index: one row a document, its chunks nested, for one capture and one pipeline.

Everything that the index needs stands in it except the vectors, which are kept by the hash of their text. Deletions and
documents that could not be read are rows too, so that the file alone says what the capture did.
"""

import pyarrow as pa

from kb_platform.storage.captures import Capture

CHUNK = pa.struct([
    ("ordinal", pa.int32()), ("start", pa.int32()), ("end", pa.int32()), ("content", pa.string()), ("context", pa.string()),
    ("content_hash", pa.binary()), ("dup_no", pa.int32()), ("text_hash", pa.binary()),
    ("terms", pa.list_(pa.int32())), ("weights", pa.list_(pa.float32())),
])
SCHEMA = pa.schema([
    ("doc_id", pa.string()), ("deleted", pa.bool_()), ("failure", pa.string()), ("version_hash", pa.binary()),
    ("title", pa.string()), ("metadata", pa.string()), ("media_type", pa.string()), ("source_object", pa.string()),
    ("chunks", pa.list_(CHUNK)),
])


def chunk_file(capture: Capture, pipeline: str) -> str:
    """Return the file's name: another file under another pipeline, and where newer captures spare it some documents."""
    spared = f"-{capture.newer}" if capture.newer else ""
    return f"chunks/{capture.source}/{capture.day}/{capture.seq:06d}-{capture.digest.hex()[:12]}-{pipeline}{spared}.parquet"
