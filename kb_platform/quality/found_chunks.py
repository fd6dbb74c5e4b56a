"""What a search found for a golden, small enough to keep for every golden: where each chunk stands, its score, its first words."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from kb_platform.quality.relevance import RetrievedChunk

FIRST_WORDS = 100  # characters


class ScoredChunk(RetrievedChunk, Protocol):
    """A search hit with its text and score."""

    @property
    def content(self) -> str:
        """Text of the chunk."""
        ...

    @property
    def score(self) -> float:
        """Score of the hit; higher is better."""
        ...


@dataclass(frozen=True, slots=True)
class FoundChunk:
    """A hit without its text: `text[start:end]` of the document, of which `words` are the first."""

    source: str
    doc_id: str
    start: int
    end: int
    score: float
    words: str
    also_in: tuple["FoundPlace", ...] = ()


class FoundPlace(NamedTuple):
    """Where else a found text stands."""

    source: str
    doc_id: str
    start: int
    end: int


def keep(hits: Iterable[ScoredChunk]) -> tuple[FoundChunk, ...]:
    """Return hits, best first, without their texts; ids that many hits share are kept once."""
    return tuple(
        FoundChunk(sys.intern(hit.source), sys.intern(hit.doc_id), hit.start, hit.end, round(float(hit.score), 4), _first_words(hit.content),
                   tuple(FoundPlace(sys.intern(at.source), sys.intern(at.doc_id), at.start, at.end) for at in hit.also_in))
        for hit in hits
    )


def _first_words(text: str) -> str:
    words = " ".join(text[: 2 * FIRST_WORDS].split())
    return words if len(words) <= FIRST_WORDS else words[: FIRST_WORDS - 1].rsplit(" ", 1)[0] + "…"
