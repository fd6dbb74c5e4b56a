"""Drafts of goldens from the headings of documents, for a person to confirm. No model is asked.

A heading says what its section is about, so the headings above a section are a query in keywords, and a sentence of the section is
its answer. Both are in the document's own words, which any search finds sooner than a user's: a draft is where a golden begins.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from kb_platform.index.outline import read_outline
from kb_platform.index.sentences import sentence_starts
from kb_platform.quality.golden import ExpectedPassage, Golden
from kb_platform.quality.golden_check import gives_away
from kb_platform.quality.passages import DocumentKey
from kb_platform.quality.text_match import find_quote, fold_text

LEAST_WORDS, MOST_WORDS = 6, 60  # of a sentence that is quoted: a shorter one stands anywhere, a longer one breaks with the first edit
LONGEST = 120  # characters of a heading
HELD = 8  # sections of a document that are kept until all documents are read

_NUMBERING = re.compile(r"^(?:\d+(?:\.\d+)+\.?|\d+[.)])\s+")
_MARKS = re.compile(r"[*_`#]|\[([^\]]*)\]\([^)]*\)")
_NO_PROSE = re.compile(r"\s*(?:\||```|~~~|!\[|<)")
_UNIT = re.compile(r"\n[ \t]*\n|\n(?=[ \t]*(?:[-*+•]|\d{1,9}[.)])[ \t])")
_WORD = re.compile(r"\w+")
_BULLET = re.compile(r"^\s*(?:[-*+•>]\s+)+")


@dataclass(frozen=True)
class ReadDocument:
    """A document, as far as drafts are made from it."""

    key: DocumentKey
    title: str
    text: str


@dataclass(frozen=True)
class Drafts:
    """What is suggested; `documents` were read, `left` sections could be suggested another time, `repeated` headings stand in several documents."""

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


def draft_goldens(name: str, documents: Iterable[ReadDocument], known: Sequence[Golden], count: int) -> Drafts:
    """Return up to `count` goldens that `known` ones do not ask, first from the documents that have the fewest.

    Sections are left out whose heading another document has too, which have no sentence of their own to quote, and whose heading, as a
    question, stands word for word in the document. Ids follow from the passage.
    """
    found: list[_Section] = []
    headings: Counter[str] = Counter()
    sources: dict[str, set[str]] = {}
    for document in documents:
        sources.setdefault(document.key.doc_id, set()).add(document.key.source)
        headings.update({fold_text(path[-1]).text for path, _ in _sections(document)})
        found += sorted(_usable(document), key=lambda section: section.order)[:HELD]
    once = [section for section in found if headings[section.heading] == 1]
    free = _unasked(once, known)
    chosen = _spread(free, known)[:count]
    goldens = tuple(_golden(name, section, ambiguous=len(sources[section.key.doc_id]) > 1) for section in chosen)
    return Drafts(goldens, sum(map(len, sources.values())), len(free) - len(chosen), sum(times > 1 for times in headings.values()))


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
    for path, text in _sections(document):
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
            words = sum(any(c.isalnum() for c in word) for word in sentence.split())
            if LEAST_WORDS <= words <= MOST_WORDS and not sentence.endswith(":"):
                yield sentence


def _unasked(sections: Iterable[_Section], known: Sequence[Golden]) -> list[_Section]:
    """Return the sections whose quote or question no golden has, and no section before them."""
    quotes = {fold_text(passage.quote or "").text for golden in known for passage in golden.expected}
    questions = {fold_text(golden.question).text for golden in known}
    free: list[_Section] = []
    for section in sections:
        quote, question = fold_text(section.quote).text, fold_text(section.question).text
        if quote not in quotes and question not in questions:
            free.append(section)
        quotes.add(quote)
        questions.add(question)
    return free


def _spread(sections: Iterable[_Section], known: Sequence[Golden]) -> list[_Section]:
    """Return the sections, a document's first before any document's second; goldens that a document has count as its first ones."""
    rank = Counter(document for golden in known for document in {passage.document for passage in golden.expected})
    ranked: list[tuple[int, str, _Section]] = []
    for section in sections:
        ranked.append((rank[section.key.doc_id], section.order, section))
        rank[section.key.doc_id] += 1
    return [section for _, _, section in sorted(ranked, key=lambda each: each[:2])]


def _golden(name: str, section: _Section, *, ambiguous: bool) -> Golden:
    passage = ExpectedPassage(section.key.doc_id, section.quote)
    passage = replace(passage, source=section.key.source) if ambiguous else passage
    return Golden(f"{name}-{section.order[:8]}", section.question, (passage,))
