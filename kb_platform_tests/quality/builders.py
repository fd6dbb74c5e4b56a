"""Small values for the tests of this package."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from kb_platform.quality.golden import ExpectedPassage, Golden, GoldenSet, Severity
from kb_platform.quality.passages import DocumentKey, ReadTexts


@dataclass(frozen=True)
class Hit:
    """A retrieved chunk, reduced to what relevance looks at."""

    source: str
    doc_id: str
    start: int
    end: int
    also_in: tuple["Hit", ...] = ()


def texts(**documents: str) -> dict[DocumentKey, str]:
    """Return texts by key, all from the source `wiki`."""
    return {DocumentKey("wiki", doc_id): text for doc_id, text in documents.items()}


def reading(documents: Mapping[DocumentKey, str]) -> ReadTexts:
    """Return the reader of a release that holds these documents."""

    def read(ids: Collection[str] | None) -> Iterable[tuple[DocumentKey, str]]:
        return ((key, documents[key]) for key in sorted(documents) if ids is None or key.doc_id in ids)

    return read


def golden(number: int, *slices: str, critical: bool = False) -> Golden:
    """Return a golden whose id and question come from its number."""
    severity = Severity.CRITICAL if critical else Severity.NORMAL
    return Golden(f"q{number:03}", f"Question {number}?", (ExpectedPassage("doc", f"Answer {number}."),), slices, severity)


def golden_set(count: int, *, critical: int = 0, slices: Mapping[str, range] | None = None) -> GoldenSet:
    """Return `count` goldens, the first `critical` of them critical; slices by the numbers of their goldens."""
    named = slices or {}
    return GoldenSet.of(
        [golden(n, *sorted(s for s, members in named.items() if n in members), critical=n < critical) for n in range(count)]
    )


def scores(
    count: int, *, missed: range | tuple[int, ...] = (), ranks: Mapping[int, int] | None = None
) -> dict[str, dict[str, float]]:
    """Return per-query measures: every golden is answered by its one passage at rank 1, or at the rank given, or missed."""
    return {f"q{n:03}": at_rank(None if n in missed else (ranks or {}).get(n, 1)) for n in range(count)}


def at_rank(rank: int | None) -> dict[str, float]:
    """Return the measures of a query with one relevant passage at this rank (None: not found)."""
    gain = {1: 1.0, 2: 0.6309297535714575, 3: 0.5, 4: 0.43067655807339306, 5: 0.38685280723454163}
    return {
        "Success@1": float(rank == 1),
        "Success@5": float(rank is not None),
        "RR@10": 1 / rank if rank else 0.0,
        "R@10": float(rank is not None),
        "nDCG@10": gain[rank] if rank else 0.0,
    }
