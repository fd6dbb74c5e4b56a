"""What comes back, as frozen values. A field that a newer server adds is left out."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class SameText(_Message):
    """Where else the text of a hit stands."""

    chunk: int
    source: str
    doc_id: str
    title: str
    start: int
    end: int


class Hit(_Message):
    """A chunk that was found: `start` and `end` are characters of its document."""

    chunk: int
    source: str
    doc_id: str
    title: str
    start: int
    end: int
    score: float
    dense: float
    lexical: float
    content: str
    also_in: Sequence[SameText] = ()

    @property
    def cited(self) -> str:
        """Return where it stands, as `kb search` writes it."""
        return f"{self.source}/{self.doc_id}:{self.start}-{self.end}"


class Result(_Message):
    """What was found for one question."""

    question: str
    hits: Sequence[Hit]
    unread: Sequence[str] = ()


class SearchAnswer(_Message):
    """The results of one request, all of one release."""

    knowledge_base: str
    release: int
    results: Sequence[Result]


class Answer(_Message):
    """What one release holds for a question, the best first."""

    knowledge_base: str
    release: int
    question: str
    hits: Sequence[Hit]
    unread: Sequence[str] = ()


class _Origin(_Message):
    knowledge_base: str
    release: int
    source: str
    doc_id: str
    title: str
    metadata: Mapping[str, Any]
    media_type: str
    source_object: str
    day: dt.date


class Chunk(_Origin):
    """A chunk, with what is known of its document."""

    chunk: int
    start: int
    end: int
    content: str


class Place(_Message):
    """Where a chunk stands in a document."""

    chunk: int
    start: int
    end: int


class Document(_Origin):
    """A document of `length` characters: `text` is what it says from `start` on."""

    length: int
    start: int
    text: str
    chunks: Sequence[Place]


class Release(_Message):
    """A release that was promoted once; it can be read while it is `readable`."""

    release: int
    live: bool
    readable: bool
    status: str
    verdict: str | None
    documents: int | None
    chunks: int | None
    digest: str | None
    model: str
    sealed_at: dt.datetime | None
    promoted_at: dt.datetime


class ReleaseList(_Message):
    """The releases that were promoted once, the newest first."""

    knowledge_base: str
    live: int | None
    releases: Sequence[Release]


class KnowledgeBases(_Message):
    """What the caller may read."""

    knowledge_bases: Sequence[str]


class FeedbackKept(_Message):
    """The number of what was kept."""

    feedback: int
