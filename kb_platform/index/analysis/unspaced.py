"""Languages that are written without blanks (Chinese, Japanese, Thai, Lao, Khmer, Burmese) and Korean, whose endings stick: pairs of characters.

A question is found wherever its characters stand in this order, whatever a dictionary takes for a word. docs/adr/0020 has the figures.
A character is a letter with the vowels and tones that stand on it; pairs do not cross from one script to another.
"""

import re

# scripts whose single characters are words: Han
_HAN = "\u2e80-\u2fdf\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_HIRAGANA, _KATAKANA, _HANGUL = "\u3041-\u309f", "\u30a0-\u30ff\u31f0-\u31ff", "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af"
_SOUTHEAST = "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0eae\u0eb0-\u0ecd\u0edc-\u0edf\u0f40-\u0fbc\u1000-\u103f\u1050-\u108f\u1780-\u17d3"
_RUNS = re.compile("|".join(f"[{script}]+" for script in (_HAN, _HIRAGANA, _KATAKANA, _HANGUL, _SOUTHEAST)))
_ANY = re.compile(f"[{_HAN}{_HIRAGANA}{_KATAKANA}{_HANGUL}{_SOUTHEAST}]")
_ALONE = re.compile(f"[{_HAN}]")
_CHARACTER = re.compile(r"\w[^\w\s]*")


def unspaced_places(text: str, *, asked: bool) -> tuple[list[tuple[str, ...]], str]:
    """Return the tokens of such scripts, character by character, and the rest of the text.

    A text has single characters of Chinese, too; a question only where one stands alone.
    """
    if text.isascii() or not _ANY.search(text):
        return [], text
    found: list[tuple[str, ...]] = []
    for run in _RUNS.findall(text):
        found += _pairs(_CHARACTER.findall(run), asked=asked)
    return found, _RUNS.sub(" ", text)


def _pairs(characters: list[str], *, asked: bool) -> list[tuple[str, ...]]:
    pairs = [(a + b,) for a, b in zip(characters, characters[1:], strict=False)]
    if asked and len(characters) > 1:
        return pairs
    return [(c, *pair) if _ALONE.match(c) else pair for c, pair in zip(characters, [*pairs, ()], strict=False) if pair or _ALONE.match(c)]
