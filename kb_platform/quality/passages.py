"""Where each expected passage stands in the documents of a release today.

Documents change under a golden set: most questions stay answerable, but their passages move (arXiv 2603.04532). A golden whose
every passage changed or vanished is stale: it is left out of the verdict, counted and listed, never scored as a failure.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from kb_platform.quality.golden import ExpectedPassage, Golden
from kb_platform.quality.text_match import FoldedText, Span, closest_window, find_quote, fold_text

CHANGED_SIMILARITY = 0.6
MOVED_WORDS = 5  # a shorter quote stands in many documents by chance


class PassageState(StrEnum):
    """What became of a quote since the golden was written."""

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


Texts = Mapping[DocumentKey, str]


def resolve_goldens(goldens: Iterable[Golden], texts: Texts) -> dict[str, tuple[ResolvedPassage, ...]]:
    """Return, by golden id, each expected passage resolved against the live documents' texts."""
    goldens = list(goldens)
    resolved = resolve_passages([p for golden in goldens for p in golden.expected], texts)
    return {golden.id: tuple(resolved[p] for p in golden.expected) for golden in goldens}


def resolve_passages(expected: Iterable[ExpectedPassage], texts: Texts) -> dict[ExpectedPassage, ResolvedPassage]:
    """Resolve passages: exact in the named document, else exact in another one, else similar in the named one, else deleted.

    Quotes of fewer than five words are not looked for in other documents. Documents are folded one at a time, those that no
    golden names only when a quote is missing: memory stays that of one document.
    """
    quotes = {passage: fold_text(passage.quote).text for passage in expected}
    resolved: dict[ExpectedPassage, ResolvedPassage] = {}
    for key, passages in _by_document(quotes, texts).items():
        folded = fold_text(texts[key])
        for passage in passages:
            resolved[passage] = _better(resolved.get(passage), _in_named_document(passage, quotes[passage], key, folded))
    missing = {p: quote for p, quote in quotes.items() if p not in resolved or resolved[p].state is not PassageState.PRESENT}
    moved = _in_other_documents(missing, texts)
    for passage in missing:
        resolved.setdefault(passage, ResolvedPassage(passage, PassageState.DELETED))
        if passage in moved:
            resolved[passage] = ResolvedPassage(passage, PassageState.MOVED, tuple(moved[passage]), 1.0)
    return resolved


def stale_goldens(resolved: Mapping[str, Iterable[ResolvedPassage]]) -> dict[str, PassageState]:
    """Return the goldens that cannot be judged any more: `changed` if any passage has a likely successor, else `deleted`."""
    stale: dict[str, PassageState] = {}
    for golden, passages in resolved.items():
        states = {passage.state for passage in passages}
        if not states & {PassageState.PRESENT, PassageState.MOVED}:
            stale[golden] = PassageState.CHANGED if PassageState.CHANGED in states else PassageState.DELETED
    return stale


def _by_document(quotes: Mapping[ExpectedPassage, str], texts: Texts) -> dict[DocumentKey, list[ExpectedPassage]]:
    keys: dict[str, list[DocumentKey]] = {}
    for key in sorted(texts):
        keys.setdefault(key.doc_id, []).append(key)
    named: dict[DocumentKey, list[ExpectedPassage]] = {}
    for passage in quotes:
        for key in keys.get(passage.document, []):
            if passage.source in (None, key.source):
                named.setdefault(key, []).append(passage)
    return named


def _in_named_document(passage: ExpectedPassage, quote: str, key: DocumentKey, text: FoldedText) -> ResolvedPassage:
    if spans := tuple(find_quote(text, quote)):
        return ResolvedPassage(passage, PassageState.PRESENT, _locations(key, spans), 1.0)
    similarity, span = closest_window(text, quote)
    if similarity >= CHANGED_SIMILARITY:
        return ResolvedPassage(passage, PassageState.CHANGED, _locations(key, (span,)), similarity)
    return ResolvedPassage(passage, PassageState.DELETED, (), similarity)


def _locations(key: DocumentKey, spans: Iterable[Span]) -> tuple[Location, ...]:
    return tuple(Location(key, start, end) for start, end in spans)


def _better(one: ResolvedPassage | None, other: ResolvedPassage) -> ResolvedPassage:
    """Where two sources hold a document of this id: both places if the quote stands in both, else the more similar one."""
    if one is None:
        return other
    if one.state is other.state is PassageState.PRESENT:
        return ResolvedPassage(one.expected, one.state, one.locations + other.locations, 1.0)
    return max(one, other, key=lambda r: (r.state is PassageState.PRESENT, r.similarity))


def _in_other_documents(missing: Mapping[ExpectedPassage, str], texts: Texts) -> dict[ExpectedPassage, list[Location]]:
    found: dict[ExpectedPassage, list[Location]] = {}
    telling = {passage: quote for passage, quote in missing.items() if len(quote.split()) >= MOVED_WORDS}
    for key in sorted(texts) if telling else ():
        text = fold_text(texts[key])
        for passage, quote in telling.items():
            if spans := tuple(find_quote(text, quote)):
                found.setdefault(passage, []).extend(_locations(key, spans))
    return found
