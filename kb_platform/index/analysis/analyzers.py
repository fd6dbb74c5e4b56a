"""Which terms a text has, and which a question asks for, in the analyzer of one language.

Read in this order: `characters` gives one spelling, `unspaced` takes out scripts without blanks, `quantities` reads numbers with their
units, and what is left are words, which `languages` knows by their small words and endings. A text keeps every reading of what is
ambiguous, a question asks for the likeliest.

The terms of two analyzers never meet: an analyzer's name, with its version, is part of a term's number (`term_id`), and each chunk
has its analyzer's name as one more term (`mark`). So the index itself says which analyzers made it, and how many chunks each has.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

from kb_platform.index.analysis import tokens_1
from kb_platform.index.analysis.characters import fold
from kb_platform.index.analysis.compounds import compound_parts
from kb_platform.index.analysis.languages import LANGUAGES, language_of
from kb_platform.index.analysis.quantities import QUANTITY, quantity_tokens
from kb_platform.index.analysis.units import WORDS as UNIT_WORDS
from kb_platform.index.analysis.unspaced import unspaced_places
from kb_platform.knowledge.versions import TOKENIZER_VERSION

TERM_SPACE = 1_000_000_000
AUTO = "auto"
SAMPLE = 4000  # characters that tell a document's language

_LONGEST = 64  # characters of a token; longer runs are encoded data, not words
_LETTER = r"[^\W_]"
_WORD = rf"{_LETTER}(?:{_LETTER}|[\u0300-\u0dff\u0f00-\u0fff\u1a00-\u1aff])*"  # vowels of Indian scripts are no letters to `re`
_ASCII_SURFACE = re.compile(rf"({QUANTITY})|[a-z0-9]+(?:[-/.'][a-z0-9]+)*")
_SURFACE = re.compile(rf"({QUANTITY})|{_WORD}(?:[-/.']{_WORD})*")
_CODE = re.compile(r"([a-z]{1,5})([0-9]{1,6}(?:\.[0-9]{1,3})?[a-z]?)")
_EVERY = re.compile(r"q([0-9]{1,2})(h|d|w)")
_ELISION = re.compile(r"(?:[cdjlmnst]|qu|jusqu|lorsqu|puisqu|quoiqu|dell|nell|all|dall|sull|un|quest|quell|com|dov|sant)'(?=[aeiouyh])")
_ACRONYM = re.compile(r"\b[A-Z]{2,}\b|(?<=[a-z] )A\b")  # those that are no stop words otherwise are words already


Places = list[tuple[str, ...]]


@dataclass(frozen=True)
class Analyzer:
    """Makes terms in one way, under one name that never makes others: the tokens of each place of a text, or of a question."""

    name: str
    indexed: Callable[[str], Places]
    asked: Callable[[str], Places]

    def term_id(self, token: str) -> int:
        """Return the number of a token, 1 to 10^9, the same on every machine."""
        return term_id(f"{self.name}\0{token}" if self.name else token)

    @property
    def mark(self) -> int:
        """Return the term that every chunk of this analyzer has."""
        return term_id(f"{self.name}\0")


def places(text: str, language: str = "english", *, asked: bool = False) -> Places:
    """Return the tokens of each word and quantity of a text, or of a question; a text is as long as it has such places.

    Their order is that of the text but for other scripts, which come first, and acronyms, which come last. Codes give their parts and the
    whole: "PH-114", "PH 114" and "ph114" share `ph` and `114`, the first and the last also `ph114`. A stop word in capitals (OR, WHO,
    hepatitis A) is a word of its own unless the whole text is in capitals.
    """
    found, folded = unspaced_places(fold(text), asked=asked)
    surfaces = _ASCII_SURFACE if folded.isascii() else _SURFACE
    for surface in surfaces.finditer(folded):
        if tokens := _quantity(surface[0], language, asked) if surface[1] else _words(surface[0], language, asked):
            found.append(tokens)
    if not text.isupper():
        stop_words = LANGUAGES[language].stop_words
        found += [(word,) for word in map(str.lower, _ACRONYM.findall(text)) if word in stop_words]
    return found


def analyzer_for(choice: str, text: str) -> Analyzer:
    """Return the analyzer of a document: the one that its source names, or that of the language which its text is in."""
    if choice != AUTO:
        return ANALYZERS[choice]
    words = re.findall(rf"{_LETTER}+", _ELISION.sub(lambda m: m[0].replace("'", " "), fold(text[:SAMPLE])))
    return ANALYZERS[language_of(words)]


@lru_cache(maxsize=1 << 18)
def term_id(term: str) -> int:
    """Return the number of a term (first 8 bytes of BLAKE2b). Of 100,000 different terms about five pairs share one."""
    return int.from_bytes(hashlib.blake2b(term.encode(errors="surrogatepass"), digest_size=8).digest()) % TERM_SPACE + 1


@lru_cache(maxsize=1 << 17)
def _quantity(surface: str, language: str, asked: bool) -> tuple[str, ...]:  # noqa: FBT001  (a key of the cache)
    found = quantity_tokens(surface, asked=asked, decimal_comma=LANGUAGES[language].decimal_comma)
    return tuple(token for token in found if len(token) <= _LONGEST)


@lru_cache(maxsize=1 << 18)
def _words(surface: str, language: str, asked: bool) -> tuple[str, ...]:  # noqa: FBT001  (a key of the cache)
    """Return the tokens of one run of letters, digits and inner punctuation."""
    word = _ELISION.sub("", surface, count=1) if "'" in surface else surface
    word = word.removesuffix("'s").replace("'", "")
    parts = re.split(r"[-/.]", word)
    if len(parts) == 1 or _CODE.fullmatch(word):
        return _word(word, language, asked)
    joined = "".join(parts)
    if "-" not in word and "/" not in word and len(joined) == len(parts):  # u.s
        return _word(joined, language, asked)
    whole = (joined,) if any(c.isdigit() for c in joined) and len(joined) <= _LONGEST else ()
    return (*(token for part in parts for token in _word(part, language, asked)), *whole)


def _word(word: str, language: str, asked: bool) -> tuple[str, ...]:
    knowledge = LANGUAGES[language]
    word = knowledge.spelled(word)
    if word in knowledge.stop_words or len(word) > _LONGEST:
        return ()
    if word in UNIT_WORDS:
        return (UNIT_WORDS[word],)
    if every := _EVERY.fullmatch(word):  # q8h
        return (word, *_quantity(f"{every[1]}{every[2]}", language, asked))
    if code := _CODE.fullmatch(word):
        letters, number = code.groups()
        head = word.partition(".")[0]  # E11.9 is found by E11
        return (letters, number, word.replace(".", ""), *(() if asked or head == word else (head, head.removeprefix(letters))))
    return tuple(dict.fromkeys(knowledge.stem(part) for part in (word, *compound_parts(word, language))))


def _places_before(text: str) -> Places:
    return [(token,) for token in tokens_1.tokenize(text)]


ANALYZERS = {
    name: Analyzer(f"{TOKENIZER_VERSION}:{name}", partial(places, language=name), partial(places, language=name, asked=True))
    for name in LANGUAGES
}
BEFORE = Analyzer("", _places_before, _places_before)  # of chunks without a mark
