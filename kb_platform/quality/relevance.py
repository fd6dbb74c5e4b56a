"""From retrieved chunks to TREC terms: which of them answer a golden.

A chunk is relevant when it holds enough of an expected passage, wherever the chunker put its borders. Each passage counts once,
at the first chunk that answers it. The document level asks only whether the right document was found.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from kb_platform.quality.metrics import MEASURES, Qrels, Run, RunMetrics, evaluate_run
from kb_platform.quality.passages import DocumentKey, Location, ResolvedPassage

ENOUGH_SHARE = 0.5
ENOUGH_CHARACTERS = 100


class RetrievedChunk(Protocol):
    """What relevance needs to know of a search hit: its document, and its range of characters in that document's text."""

    @property
    def source(self) -> str:
        """Source of the document."""
        ...

    @property
    def doc_id(self) -> str:
        """Id of the document within its source."""
        ...

    @property
    def start(self) -> int:
        """First character in the document's text."""
        ...

    @property
    def end(self) -> int:
        """One past the last character in the document's text."""
        ...

    @property
    def also_in(self) -> Sequence[Any]:
        """Return where else the same text stands: source, doc_id, start and end of each place."""
        ...


Rankings = Mapping[str, Sequence[RetrievedChunk]]
Resolved = Mapping[str, Sequence[ResolvedPassage]]


def answers(chunk: RetrievedChunk, location: Location) -> bool:
    """Return whether a chunk, or the same text in another document, holds at least half of the passage, or 100 characters of it.

    The 100 characters are for passages longer than a chunk: no chunk could hold half of them.
    """
    return any(_holds(place, location) for place in (chunk, *chunk.also_in))


def _holds(place: Any, location: Location) -> bool:
    if (place.source, place.doc_id) != location.document:
        return False
    shared = min(place.end, location.end) - max(place.start, location.start)
    return shared > 0 and shared >= min(ENOUGH_CHARACTERS, ENOUGH_SHARE * (location.end - location.start))


def passage_items(chunks: Sequence[RetrievedChunk], passages: Sequence[ResolvedPassage]) -> list[str]:
    """Return a ranking of items: `passage:<n>` at the first chunk that answers passage n, `chunk:<rank>` for all other chunks.

    A chunk that answers several passages takes its own rank and the next ranks that have nothing else to show, so that no chunk
    after it is pushed down; a chunk that repeats an answer is not relevant again. Stale passages answer nothing.
    """
    items: list[str] = []
    waiting: list[str] = []
    open_passages = {n: passage for n, passage in enumerate(passages) if passage.fresh}
    for place, chunk in enumerate(chunks):
        hit = [n for n, passage in open_passages.items() if any(answers(chunk, location) for location in passage.locations)]
        for n in hit:
            del open_passages[n]
        names = [f"passage:{n}" for n in hit]
        waiting += names[1:]
        items.append(names[0] if names else waiting.pop(0) if waiting else f"chunk:{place}")
    return items + waiting


def passage_level(rankings: Rankings, resolved: Resolved) -> tuple[Qrels, Run]:
    """Return qrels and run over passages, for every golden with a fresh passage. R@k is the share of passages covered."""
    fresh = _fresh(resolved)
    qrels = {golden: {f"passage:{n}": 1 for n, p in enumerate(passages) if p.fresh} for golden, passages in fresh.items()}
    run = {golden: _by_rank(passage_items(rankings.get(golden, ()), passages)) for golden, passages in fresh.items()}
    return qrels, run


def document_level(rankings: Rankings, resolved: Resolved) -> tuple[Qrels, Run]:
    """Return qrels and run over documents (`source/doc_id`), each at the rank of its first chunk."""
    qrels: dict[str, dict[str, int]] = {}
    run: dict[str, dict[str, float]] = {}
    for golden, passages in _fresh(resolved).items():
        locations = [location for passage in passages if passage.fresh for location in passage.locations]
        qrels[golden] = {document_item(location.document): 1 for location in locations}
        places = [place for chunk in rankings.get(golden, ()) for place in (chunk, *chunk.also_in)]
        found = [document_item(DocumentKey(place.source, place.doc_id)) for place in places]
        run[golden] = _by_rank(list(dict.fromkeys(found)))
    return qrels, run


def evaluate_goldens(rankings: Rankings, resolved: Resolved, measures: Sequence[str] = MEASURES) -> RunMetrics:
    """Return passage-level measures of every golden that is not stale; empty where all are."""
    qrels, run = passage_level(rankings, resolved)
    return evaluate_run(qrels, run, measures) if qrels else RunMetrics({}, {})


def document_item(document: DocumentKey) -> str:
    """Return a document's name in qrels and runs."""
    return f"{document.source}/{document.doc_id}"


def _fresh(resolved: Resolved) -> dict[str, Sequence[ResolvedPassage]]:
    return {golden: passages for golden, passages in resolved.items() if any(p.fresh for p in passages)}


def _by_rank(items: Sequence[str]) -> dict[str, float]:
    return {item: float(len(items) - place) for place, item in enumerate(items)}
