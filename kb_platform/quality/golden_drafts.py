"""Drafts of goldens from the headings of documents, for a person to confirm. No model is asked.

A heading says what its section is about, so the headings above a section are a query in keywords, and a sentence of the section is
its answer. Both are in the document's own words, which any search finds sooner than a user's: a draft is where a golden begins.
"""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from kb_platform.index.analysis.unspaced import unspaced_places
from kb_platform.index.outline import read_outline
from kb_platform.index.sentences import sentence_starts
from kb_platform.quality.golden import ExpectedPassage, Golden
from kb_platform.quality.golden_check import gives_away
from kb_platform.quality.passages import DocumentKey
from kb_platform.quality.text_match import find_quote, fold_text

LEAST_WORDS, MOST_WORDS = 6, 60  # of a sentence that is quoted: a shorter one stands anywhere, a longer one breaks with the first edit
LONGEST = 120  # characters of a heading
HELD = 8  # sections of a document that are kept until all documents are read
TRIED = 500  # sections of a document, of its beginning and its end alike: each is looked for in the whole text

_NUMBERING = re.compile(r"^(?:\d+(?:\.\d+)+\.?|\d+[.)])\s+")
_MARKS = re.compile(r"[*_`#]|\[([^\]]*)\]\([^)]*\)")
_NO_PROSE = re.compile(r"\s*(?:\||```|~~~|!\[|<)")
_UNIT = re.compile(r"\n[ \t]*\n|\n(?=[ \t]*(?:[-*+•]|\d{1,9}[.)])[ \t])")
_WORD = re.compile(r"\w+")
_BULLET = re.compile(r"^\s*(?:(?:[-*+•>]|\d{1,9}[.)])\s+)+")


@dataclass(frozen=True)
class ReadDocument:
    """A document, as far as drafts are made from it."""

    key: DocumentKey
    title: str
    text: str


@dataclass(frozen=True)
class Drafts:
    """What is suggested; `documents` were read, `left` sections could be suggested another time, `repeated` ones say what another document says."""

    goldens: tuple[Golden, ...]
    documents: int
    left: int
    repeated: int


@dataclass(frozen=True)
class _Section:
    """A section that could become a golden."""

    key: DocumentKey
    heading: str
    question: str
    quote: str

    @property
    def order(self) -> str:
        """Return what sections are ordered by: the same every time, and spread over whatever names have in common."""
        return hashlib.sha256(f"{self.key.source}\0{self.key.doc_id}\0{self.quote}".encode()).hexdigest()

    @property
    def said(self) -> tuple[str, str]:
        """Return question and quote as they are compared."""
        return fold_text(self.question).text, fold_text(self.quote).text


def draft_goldens(name: str, documents: Iterable[ReadDocument], known: Sequence[Golden], count: int) -> Drafts:
    """Return up to `count` goldens that `known` ones do not ask, first from the documents that have the fewest.

    Sections are left out which have no sentence of their own to quote, or the title, headings or sentence of another document's section, and
    whose question stands word for word in the document. Headings that several documents have, as templates make them, come last:
    `Contact` says little, and yet all pages of a drug formulary may have `Dose`. Ids follow from the passage.
    """
    asked = _asked(known)
    found: list[_Section] = []
    headings: Counter[str] = Counter()
    sources: dict[str, set[str]] = {}
    for document in documents:
        sources.setdefault(document.key.doc_id, set()).add(document.key.source)
        headings.update({fold_text(path[-1]).text for path, _ in _sections(document)})
        unasked = (section for section in _usable(document) if asked.isdisjoint(section.said))
        found += sorted(unasked, key=lambda section: section.order)[:HELD]
    said = Counter(words for section in found for words in section.said)
    alone = [section for section in found if all(said[words] == 1 for words in section.said)]
    chosen = _spread(alone, headings, known)[:count]
    goldens = tuple(_golden(name, section, ambiguous=len(sources[section.key.doc_id]) > 1) for section in chosen)
    return Drafts(goldens, sum(map(len, sources.values())), len(alone) - len(chosen), len(found) - len(alone))


def _sections(document: ReadDocument) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the headings that lead to a section, its own last, and its text up to the next heading of any level."""
    headings = read_outline(document.text).headings
    ends = [*(heading.start for heading in headings), len(document.text)][1:]
    for heading, end in zip(headings, ends, strict=True):
        path = tuple(words for part in heading.path if (words := _plain(part)))
        if path and any(c.isalpha() for c in path[-1]) and len(path[-1]) <= LONGEST:
            yield path, document.text[heading.end : end]


def _plain(heading: str) -> str:
    """Return a heading's words, without marks and number."""
    return _NUMBERING.sub("", " ".join(_MARKS.sub(r"\1", heading).split()))


def _usable(document: ReadDocument) -> Iterator[_Section]:
    """Yield the sections of a document that have a sentence to quote which stands nowhere else in it, and a question that does not stand in it."""
    folded = fold_text(document.text)
    sections = list(_sections(document))
    for path, text in sections[:: max(1, math.ceil(len(sections) / TRIED))]:
        question = _question(document.title, path)
        if gives_away(question, folded):
            continue
        for quote in _sentences(text):
            if len(list(find_quote(folded, fold_text(quote).text))) == 1:
                yield _Section(document.key, fold_text(path[-1]).text, question, quote)
                break


def _question(title: str, path: Sequence[str]) -> str:
    """Return title, the heading above, and the heading, each once: a query in keywords, in whatever language they are."""
    parts = [_plain(title), *path[:1], *path[-2:]]
    once = {tuple(_WORD.findall(fold_text(part).text)): part for part in parts if part}
    return ": ".join(part.rstrip(":") for part in once.values())


def _sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a section's prose that can be quoted: neither tables nor code, nor what only introduces a list."""
    for unit in _UNIT.split(text):
        if _NO_PROSE.match(unit):
            continue
        prose = _BULLET.sub("", unit)
        starts = [0, *sorted(sentence_starts(prose)), len(prose)]
        for start, end in zip(starts, starts[1:], strict=False):
            sentence = " ".join(prose[start:end].split())
            if LEAST_WORDS <= _words(sentence) <= MOST_WORDS and not sentence.endswith((":", ";", ",")):
                yield sentence


def _words(sentence: str) -> int:
    """Return how many words there are; two characters are one where no blanks stand between words."""
    characters, spaced = unspaced_places(sentence, asked=False)
    return len(characters) // 2 + sum(any(c.isalnum() for c in word) for word in spaced.split())


def _asked(known: Sequence[Golden]) -> set[str]:
    """Return the questions and quotes of goldens, as they are compared."""
    quotes = (passage.quote or "" for golden in known for passage in golden.expected)
    return {fold_text(text).text for text in (*(golden.question for golden in known), *quotes)}


def _spread(sections: Iterable[_Section], headings: Counter[str], known: Sequence[Golden]) -> list[_Section]:
    """Return the sections, a document's first before any document's second; goldens that a document has count as its first ones."""
    rank = Counter(document for golden in known for document in {passage.document for passage in golden.expected})
    ranked: list[tuple[int, bool, str, _Section]] = []
    for section in sorted(sections, key=lambda each: (headings[each.heading], each.order)):
        ranked.append((rank[section.key.doc_id], headings[section.heading] > 1, section.order, section))
        rank[section.key.doc_id] += 1
    return [section for *_, section in sorted(ranked, key=lambda each: each[:3])]


def _golden(name: str, section: _Section, *, ambiguous: bool) -> Golden:
    passage = ExpectedPassage(section.key.doc_id, section.quote)
    passage = replace(passage, source=section.key.source) if ambiguous else passage
    return Golden(f"{name}-{section.order[:8]}", section.question, (passage,))
