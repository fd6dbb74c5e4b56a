"""One spelling for what readers take for the same: case, accents, quotes, dashes, spaces inside numbers, raised digits, Greek letters.

Scripts whose marks are vowels (Devanagari, Thai) keep them; elsewhere marks are accents and go.
"""

import re
import unicodedata
from fractions import Fraction

_MARKS = [*range(0x300, 0x370), 0x483, 0x484, 0x485, 0x486, 0x487, *range(0x591, 0x5BE), 0x5BF, 0x5C1, 0x5C2, 0x5C4, 0x5C5, 0x5C7,
          *range(0x610, 0x61B), 0x640, *range(0x64B, 0x660), 0x670, *range(0xFE00, 0xFE10)]  # accents, points of Hebrew and Arabic
_INVISIBLE = [0xAD, 0x200B, 0x200C, 0x200D, 0x200E, 0x200F, 0x2060, 0xFEFF]
_LETTERS = {"\u00f8": "o", "\u00e6": "ae", "\u0153": "oe", "\u0142": "l", "\u0111": "d", "\u00f0": "d", "\u00fe": "th", "\u0131": "i", "\u0127": "h"}
_SIGNS = dict.fromkeys("\u2018\u2019\u02bc\u2032\u00b4`", "'") | dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-") | {
    "\u2264": "<", "\u2a7d": "<", "\u2265": ">", "\u2a7e": ">", "\u00d7": "*", "\u2044": "/", "\u2215": "/"}
_FOLD = str.maketrans(_SIGNS | dict.fromkeys([*_MARKS, *_INVISIBLE]) | _LETTERS)
_GREEK = dict(zip("\u03b1\u03b2\u03b3\u03b4\u03b5\u03b6\u03b7\u03b8\u03b9\u03ba\u03bb\u03bc\u03bd\u03be\u03bf\u03c0\u03c1\u03c3\u03c4\u03c5\u03c6\u03c7\u03c8\u03c9",
                  ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi", "omicron", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega"],
                  strict=True))
_RAISED = "\u2070\u00b9\u00b2\u00b3\u2074-\u2079"
_POWER = re.compile(rf"(?<![\d.,])10([\u207a\u207b]?)([{_RAISED}]{{1,2}})")
_NOTE = re.compile(rf"(?<=\d)[{_RAISED}]+")  # 250\u00b2: the mark of a note
_VULGAR = re.compile(r"(\d+)?[ \u00a0\u2009\u202f]?([\u00bc-\u00be\u2150-\u215e])")
_GROUPED = re.compile(r"(?<![\d.,])\d{1,3}(?:[\u00a0\u2007-\u200a\u202f'\u2019]\d{3})+(?!\d)")
_RAISED_POINT = re.compile(r"(?<=\d)[\u00b7\u2027\u22c5](?=\d)")
_MICRO = re.compile(r"(?<![\u0370-\u03ff])\u03bc(?=[a-z])")
_ONE_GREEK = re.compile(r"(?<![\u0370-\u03ff\u1f00-\u1fff])[\u03b1-\u03c9](?![\u0370-\u03ff\u1f00-\u1fff])")
_OTHER_DIGITS = re.compile(r"[^\D0-9]")
_PLAIN_POWER = re.compile(r"(?:(?<=\d)|(?<![\w.,])) ?[x*]? ?(?<!\d)10(?:\^|\*\*?|e)\(?\+?(-?\d{1,2})\)?(?![\d^*])")
_TIMES = re.compile(r"(?<=\d) ?[x*] ?(?=\d)")
_BY_POWER = re.compile(r"(?<=[a-z2])[ .*\u00b7](kg|g|l|dl|ml|hr?|min|s|d|day|m2|m)\^?-1(?!\d)")


def fold(text: str) -> str:
    """Return a text in the spelling that tokens are cut from."""
    folded = text.lower() if text.isascii() else _folded(text)
    if "10" in folded:
        folded = _PLAIN_POWER.sub(r" 10^\1", folded)
    if "x" in folded or "*" in folded:
        folded = _TIMES.sub(" ; ", folded)
    return _BY_POWER.sub(r"/\1", folded) if "-1" in folded else folded


def fold_letters(word: str) -> str:
    """Return a word lower case and without accents."""
    return unicodedata.normalize("NFKD", word).casefold().translate(_FOLD)


def _folded(text: str) -> str:
    text = _POWER.sub(lambda m: f"10^{'-' if m[1] == chr(0x207b) else ''}{unicodedata.normalize('NFKC', m[2])}", text.replace("\u00ba", "\u00b0"))
    text = _VULGAR.sub(_as_decimal, _NOTE.sub("", text))
    text = _GROUPED.sub(lambda m: re.sub(r"\D", "", m[0]), text)
    text = unicodedata.normalize("NFC", fold_letters(_RAISED_POINT.sub(".", text)))
    text = _ONE_GREEK.sub(_named, _MICRO.sub("u", text))
    return _OTHER_DIGITS.sub(lambda m: str(unicodedata.decimal(m[0], "")), text)


def _as_decimal(match: re.Match[str]) -> str:
    value = Fraction(unicodedata.numeric(match[2])).limit_denominator(10) + int(match[1] or 0)
    return f" {float(value):.3f}".rstrip("0") + " "


def _named(match: re.Match[str]) -> str:
    """Return the name of a Greek letter, apart from the letters beside it: TNF\u03b1 is TNF-alpha."""
    before, after = match.string[match.start() - 1 : match.start()], match.string[match.end() : match.end() + 1]
    return ("-" if before.isalnum() else "") + _GREEK.get(match[0], "") + ("-" if after.isalnum() else "")
