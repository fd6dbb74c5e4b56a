"""Documents on their way from a source to chunks, as values.

Identity is (source, doc_id): two sources may use the same doc_id, and a document that is delivered twice is one document.
Every id that is stored comes from content, so that any step may be run again with the same result.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Metadata = Mapping[str, str | list[str]]


class Change(StrEnum):
    """What a delivery says about one document."""

    UPSERT = "upsert"
    DELETE = "delete"


@dataclass(frozen=True)
class RawDocument:
    """One document as the source delivered it: bytes and what the source says about them.

    `source_object` names where it was found (a path inside the source, or `file.jsonl:12`); `media_type` is the source's
    claim, which the parser may find to be wrong.
    """

    doc_id: str
    content: bytes
    media_type: str
    source_object: str
    title: str = ""
    metadata: Metadata = field(default_factory=dict)

    @property
    def digest(self) -> bytes:
        """SHA-256 over bytes, media type, title and metadata: equal digests mean that nothing changed."""
        envelope = json.dumps([self.media_type, self.title, dict(self.metadata)], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(envelope.encode() + b"\0" + self.content).digest()


@dataclass(frozen=True)
class Document:
    """A parsed document: normalised text (Markdown where the format has structure), title, metadata."""

    doc_id: str
    title: str
    text: str
    metadata: Metadata = field(default_factory=dict)
    media_type: str = "text/plain"


@dataclass(frozen=True)
class Chunk:
    """A piece of a document: `document.text[start:end] == content`, offsets in characters.

    `context` (title and heading path) is what the embedder reads in front of the content; it is not part of the text.
    """

    ordinal: int
    start: int
    end: int
    content: str
    context: str

    @property
    def embedded_text(self) -> str:
        """Return the text that the model reads."""
        return f"{self.context}\n{self.content}" if self.context else self.content


@dataclass(frozen=True)
class DocumentFailure:
    """A document that could not be used: reported, never fatal."""

    doc_id: str
    source_object: str
    reason: str


@dataclass(frozen=True)
class DayKey:
    """One source's day, the unit of delivery."""

    source: str
    day: dt.date
