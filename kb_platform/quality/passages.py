"""Where each expected passage stands in the documents of a release today.

Documents change under a golden set: most questions stay answerable, but their passages move (arXiv 2603.04532). A golden whose
every passage changed or vanished is stale: it is left out of the verdict, counted and listed, never scored as a failure.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from kb_platform.quality.golden import ExpectedPassage, Golden
from kb_platform.quality.text_match import FoldedText, Span, closest_window, find_quote, fold_text, shingles

CHANGED_SIMILARITY = 0.6
MOVED_WORDS = 5  # a shorter quote stands in many documents by chance


class PassageState(StrEnum):
    """What became of a quote since the golden was written, best first."""

    PRESENT = "present"
    MOVED = "moved"
    CHANGED = "changed"
    DELETED = "deleted"


class DocumentKey(NamedTuple):
    """Identity of a document in a knowledge base."""

    source: str
    doc_id: str


@dataclass(frozen=True)
class Location:
    """A range of characters in a document's text: `text[start:end]`."""

    document: DocumentKey
    start: int
    end: int


@dataclass(frozen=True)
class ResolvedPassage:
    """What was found of an expected passage.

    `locations` are all occurrences in the named document (present), in other documents (moved), or the most similar window of
    the named document (changed). `similarity` is the share of the quote's words found, 1.0 where the quote stands as it was.
    """

    expected: ExpectedPassage
    state: PassageState
    locations: tuple[Location, ...] = ()
    similarity: float = 0.0

    @property
    def fresh(self) -> bool:
        """Return whether the quote still stands somewhere, so that an answer can be judged by it."""
        return self.state in (PassageState.PRESENT, PassageState.MOVED)


ReadTexts = Callable[[Collection[str] | None], Iterable[tuple[DocumentKey, str]]]
"""Gives a release's documents of some ids, or all of them, in the order of their keys, each once."""


def resolve_goldens(goldens: Iterable[Golden], read: ReadTexts) -> dict[str, tuple[ResolvedPassage, ...]]:
    """Return, by golden id, each expected passage resolved against the texts of a release's documents."""
    goldens = list(goldens)
    resolved = resolve_passages([p for golden in goldens for p in golden.expected], read)
    return {golden.id: tuple(resolved[p] for p in golden.expected) for golden in goldens}


def resolve_passages(expected: Iterable[ExpectedPassage], read: ReadTexts) -> dict[ExpectedPassage, ResolvedPassage]:
    """Resolve passages: exact in the named document, else exact in another one, else similar in the named one, else deleted.

    A passage without a quote is its whole document: present or deleted. Quotes of fewer than five words are not looked for in
    other documents. Documents are read one at a time, those that no golden names only when a quote is missing: memory is that of
    one document and of the goldens, time that of reading each document twice at most.
    """
    quotes = {passage: fold_text(passage.quote or "").text for passage in expected}
    resolved = _in_named_documents(quotes, read)
    missing = {p: quote for p, quote in quotes.items() if p not in resolved or resolved[p].state is not PassageState.PRESENT}
    moved = _in_other_documents(missing, read)
    for passage in missing:
        resolved.setdefault(passage, ResolvedPassage(passage, PassageState.DELETED))
        if passage in moved:
            resolved[passage] = ResolvedPassage(passage, PassageState.MOVED, tuple(moved[passage]), 1.0)
    return resolved


def golden_state(passages: Iterable[ResolvedPassage]) -> PassageState:
    """Return the state of a golden: that of its best passage, for one that stands is enough to judge an answer by."""
    states = {passage.state for passage in passages}
    return next(state for state in PassageState if state in states)


def stale_goldens(resolved: Mapping[str, Iterable[ResolvedPassage]]) -> dict[str, PassageState]:
    """Return the goldens that cannot be judged any more: `changed` if any passage has a likely successor, else `deleted`."""
    states = {golden: golden_state(passages) for golden, passages in resolved.items()}
    return {golden: state for golden, state in states.items() if state in (PassageState.CHANGED, PassageState.DELETED)}


def _in_named_documents(quotes: Mapping[ExpectedPassage, str], read: ReadTexts) -> dict[ExpectedPassage, ResolvedPassage]:
    naming: dict[str, list[ExpectedPassage]] = {}
    for passage in quotes:
        naming.setdefault(passage.document, []).append(passage)
    resolved: dict[ExpectedPassage, ResolvedPassage] = {}
    for key, text in read(naming) if naming else ():
        folded = fold_text(text)
        for passage in naming[key.doc_id]:
            if passage.source in (None, key.source):
                here = _in_named_document(passage, quotes[passage], key, folded) if passage.quote else _whole(passage, key, text)
                resolved[passage] = _better(resolved.get(passage), here)
    return resolved


def _in_named_document(passage: ExpectedPassage, quote: str, key: DocumentKey, text: FoldedText) -> ResolvedPassage:
    if spans := tuple(find_quote(text, quote)):
        return ResolvedPassage(passage, PassageState.PRESENT, _locations(key, spans), 1.0)
    similarity, span = closest_window(text, quote)
    if similarity >= CHANGED_SIMILARITY:
        return ResolvedPassage(passage, PassageState.CHANGED, _locations(key, (span,)), similarity)
    return ResolvedPassage(passage, PassageState.DELETED, (), similarity)


def _whole(passage: ExpectedPassage, key: DocumentKey, text: str) -> ResolvedPassage:
    return ResolvedPassage(passage, PassageState.PRESENT, (Location(key, 0, len(text)),), 1.0)


def _locations(key: DocumentKey, spans: Iterable[Span]) -> tuple[Location, ...]:
    return tuple(Location(key, start, end) for start, end in spans)


def _better(one: ResolvedPassage | None, other: ResolvedPassage) -> ResolvedPassage:
    """Where two sources hold a document of this id: both places if the quote stands in both, else the more similar one."""
    if one is None:
        return other
    if one.state is other.state is PassageState.PRESENT:
        return ResolvedPassage(one.expected, one.state, one.locations + other.locations, 1.0)
    return max(one, other, key=lambda r: (r.state is PassageState.PRESENT, r.similarity))


def _in_other_documents(missing: Mapping[ExpectedPassage, str], read: ReadTexts) -> dict[ExpectedPassage, list[Location]]:
    """Return where missing quotes stand. A document is searched only for quotes whose first five words it holds in a row."""
    beginning: dict[tuple[str, ...], list[ExpectedPassage]] = {}
    for passage, quote in missing.items():
        if first := next(shingles(quote, MOVED_WORDS), None):
            beginning.setdefault(first, []).append(passage)
    found: dict[ExpectedPassage, list[Location]] = {}
    for key, document in read(None) if beginning else ():
        text = fold_text(document)
        for first in beginning.keys() & set(shingles(text.text, MOVED_WORDS)):
            for passage in beginning[first]:
                if spans := tuple(find_quote(text, missing[passage])):
                    found.setdefault(passage, []).extend(_locations(key, spans))
    return found
