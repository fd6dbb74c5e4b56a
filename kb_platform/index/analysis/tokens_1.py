"""The analyzer before this one: what releases from then are asked with, and what bench/quantities.py compares against.

Kept as it was, for a release's terms never change: as long as one can be searched, promoted or rolled back to, it must be asked in its own.
"""

import re
import unicodedata
from functools import lru_cache
from threading import local

from Stemmer import Stemmer

_STOP_WORDS = frozenset((
    "a", "about", "am", "an", "and", "are", "arent", "as", "at", "be", "been", "but", "by", "can", "cant", "could", "did",
    "didnt", "do", "does", "doesnt", "dont", "for", "from", "had", "has", "have", "he", "her", "his", "how", "i", "if", "im",
    "in", "into", "is", "isnt", "it", "its", "ive", "me", "my", "no", "not", "of", "on", "or", "our", "she", "should", "so",
    "such", "than", "that", "the", "their", "them", "then", "there", "these", "they", "this", "those", "to", "was", "we",
    "were", "what", "when", "where", "which", "who", "whom", "whose", "why", "will", "with", "would", "you", "your",
))
_LONGEST = 64
_FOLD = str.maketrans(dict.fromkeys("\u2018\u2019\u02bc", "'") | dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-")
                      | dict.fromkeys([*range(0x300, 0x370), 0xAD, 0x200B, 0x200C, 0x200D, 0xFEFF]))
_SURFACE = re.compile(r"[^\W_]+(?:[-/.'][^\W_]+)*")
_SEPARATOR = re.compile(r"[-/.]")
_CODE = re.compile(r"([a-z]{1,5})([0-9]{1,6}[a-z]?)")
_ACRONYM = re.compile(r"\b[A-Z]{2,}\b|(?<=[a-z] )A\b")
_own = local()


def tokenize(text: str) -> list[str]:
    """Return the stems of a text, English stop words left out."""
    folded = text.lower() if text.isascii() else unicodedata.normalize("NFKD", text).translate(_FOLD).casefold()
    tokens: list[str] = []
    for surface in _SURFACE.findall(folded):
        tokens += _stems(surface)
    if not text.isupper():
        tokens += [word for word in map(str.lower, _ACRONYM.findall(text)) if word in _STOP_WORDS]
    return tokens


@lru_cache(maxsize=1 << 14)
def _stems(surface: str) -> tuple[str, ...]:
    word = surface.removesuffix("'s").replace("'", "")
    parts = _SEPARATOR.split(word)
    if len(parts) == 1:
        code = _CODE.fullmatch(word)
        return (*code.groups(), word) if code else _stem(word)
    joined = "".join(parts)
    if "-" not in word and "/" not in word and (joined.isdigit() or len(joined) == len(parts)):
        return (word,) if joined.isdigit() else _stem(joined)
    whole = (joined,) if any(c.isdigit() for c in joined) and len(joined) <= _LONGEST else ()
    return (*(stem for part in parts for stem in _stem(part)), *whole)


def _stem(word: str) -> tuple[str, ...]:
    if word in _STOP_WORDS or len(word) > _LONGEST:
        return ()
    if not hasattr(_own, "stemmer"):
        _own.stemmer = Stemmer("english", 0)
    return (_own.stemmer.stemWord(word),)
