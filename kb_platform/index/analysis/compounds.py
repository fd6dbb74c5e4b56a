"""Parts of compounds that are written as one word: Blutzuckermessung is about Blutzucker, Zucker and a Messung. German only.

A word is cut into parts of german_parts.py, longest first, with the letters that join them; at most one part at either end may be
unknown. Both texts and questions have the whole word, its parts, and what neighbouring parts make.
"""

from functools import cache

from kb_platform.index.analysis.german_parts import PARTS

_SHORTEST = 8  # letters of a word that is looked into
_UNKNOWN = 4  # letters of an unknown part, at least
_ENDINGS = ("", "s", "es", "n", "en", "er", "e", "ern", "nen")


def compound_parts(word: str, language: str) -> list[str]:
    """Return the parts of a compound, and of its neighbours together; nothing for other words, and for other languages."""
    if language != "german" or len(word) < _SHORTEST or word in _forms() or not word.isalpha():
        return []
    parts = _known(word, 0) or _with_unknown(word)
    if not parts:
        return []
    bases = [_forms().get(part, part) for part in parts]
    return [*bases, *("".join(parts[i:k]) + bases[k] for i in range(len(parts)) for k in range(i + 1, len(parts)) if k - i + 1 < len(parts))]


def _known(word: str, start: int) -> list[str] | None:
    """Return the known forms that a word consists of from `start` on, longest first."""
    if start == len(word):
        return []
    for end in range(len(word), start + 2, -1):
        if word[start:end] in _forms() and (rest := _known(word, end)) is not None:
            return [word[start:end], *rest]
    return None


def _with_unknown(word: str) -> list[str] | None:
    for cut in range(_UNKNOWN, len(word) - 3):
        if rest := _known(word, cut):
            return [word[:cut], *rest]
    for cut in range(len(word) - _UNKNOWN, 3, -1):
        if first := _known(word[:cut], 0):
            return [*first, word[cut:]]
    return None


@cache
def _forms() -> dict[str, str]:
    """Return each form of a part, as it is or joined to the next one, with the part."""
    made = {part + ending: part for ending in reversed(_ENDINGS) for part in PARTS}
    return made | {part: part for part in PARTS}
