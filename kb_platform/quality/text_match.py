"""Finds a quote in a text although typography, markup and white space differ, and says where in the text it stands.

Text is folded character by character, with the origin of each folded character kept, so that a match in the folded text is a
range of the text itself. Folding is deliberately shallow: digits, signs and decimal points stay, for `< 5 mg` is not `5 mg`.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

Span = tuple[int, int]

_QUOTES = str.maketrans(dict.fromkeys("‘’‚‛′ʼ´", "'") | dict.fromkeys("“”„‟″«»", '"'))
_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—―−", "-"))
_DROPPED = frozenset("*_`#\\")
_SPACE, _DASH = 32, 45
_QUOTED_LINE = re.compile(r"^[ \t]*>[> \t]*", re.MULTILINE)
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class FoldedText:
    """A text to match in: `origin[i]` is the index in the original of the folded text's character i."""

    text: str
    origin: np.ndarray

    def span(self, start: int, end: int) -> Span:
        """Return the original's range for a non-empty range of the folded text."""
        return int(self.origin[start]), int(self.origin[end - 1]) + 1


@cache
def _fold_character(character: str) -> str:
    if character in _DROPPED or unicodedata.category(character) == "Cf":  # Markdown marks; soft hyphens, zero-width characters
        return ""
    if character == "|" or character.isspace() or unicodedata.category(character) == "Cc":  # a table's cells read as words
        return " "
    plain = character.translate(_QUOTES).translate(_DASHES)
    return unicodedata.normalize("NFKD", plain).casefold().translate(_DASHES).replace("•", "-")


def fold_text(text: str) -> FoldedText:
    """Return the text in one case, with plain quotes and dashes, single spaces and no markup (marks, bullets, `>`)."""
    pieces = list(map(_fold_character, text))
    for match in _QUOTED_LINE.finditer(text) if ">" in text else ():
        pieces[match.start() : match.end()] = " " * (match.end() - match.start())
    origin = np.repeat(np.arange(len(pieces), dtype=np.int32), np.fromiter(map(len, pieces), np.int32, len(pieces)))
    codes = np.frombuffer("".join(pieces).encode("utf-32-le", "surrogatepass"), dtype="<u4")
    if not len(codes):
        return FoldedText("", origin)
    blank = codes == _SPACE
    blank = blank | ((codes == _DASH) & _shifted(blank, 1) & _shifted(blank, -1))  # a dash on its own is a bullet
    keep = ~(blank & _shifted(blank, 1))
    folded = np.where(blank, _SPACE, codes)[keep].astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
    return FoldedText(folded.rstrip(" "), origin[keep])


def _shifted(flags: np.ndarray, by: int) -> np.ndarray:
    """Return each element's neighbour on the left (1) or right (-1); beyond the text there is a blank."""
    moved = np.roll(flags, by)
    moved[0 if by > 0 else -1] = True
    return moved


def find_quote(text: FoldedText, quote: str) -> Iterator[Span]:
    """Yield the range in the original of each occurrence of a folded quote that does not begin or end inside a word."""
    start = text.text.find(quote) if quote else -1
    while start >= 0:
        end = start + len(quote)
        if not (_inside_word(text.text, start) or _inside_word(text.text, end)):
            yield text.span(start, end)
        start = text.text.find(quote, start + 1)


def _inside_word(text: str, border: int) -> bool:
    return 0 < border < len(text) and text[border - 1].isalnum() and text[border].isalnum()


def shingles(text: str, size: int) -> Iterator[tuple[str, ...]]:
    """Yield every run of so many words of a folded text. A quote that `find_quote` finds has all of its runs in the text."""
    words = _WORD.findall(text)
    return zip(*(words[i:] for i in range(size)), strict=False)


def closest_window(text: FoldedText, quote: str) -> tuple[float, Span]:
    """Return the best share of the quote's words in a window of as many words, and the range from its first to its last one.

    The share counts words with their repetitions and ignores their order; (0, (0, 0)) where no word is shared.
    """
    wanted = Counter(_WORD.findall(quote))
    size, spans = wanted.total(), [m.span() for m in _WORD.finditer(text.text)]
    words = [text.text[a:b] for a, b in spans]
    missing, shared, best, best_end = wanted.copy(), 0, 0, 0
    for position, word in enumerate(words):
        if position >= size and (old := words[position - size]) in wanted:
            shared -= missing[old] >= 0
            missing[old] += 1
        if word in wanted:
            shared += missing[word] > 0
            missing[word] -= 1
        if shared > best:
            best, best_end = shared, position + 1
    if not best:
        return 0.0, (0, 0)
    hits = [i for i in range(max(0, best_end - size), best_end) if words[i] in wanted]
    return best / size, text.span(spans[hits[0]][0], spans[hits[-1]][1])
