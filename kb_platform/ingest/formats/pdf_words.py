"""Words across line ends: a hyphen that a compound needs stays, one that only the line needed goes.

pdfium marks both alike. A hyphen stays before a digit or a capital, behind one, and where the document or English writes the
compound with it; else the parts are one word.
"""

import re
from collections import Counter

_MARKS = "\x02\u00ad\ufffe"
_BROKEN = re.compile(rf"([^\W_]+)[{_MARKS}]\s*\n?\s*([^\W_]+)")
_MARK = re.compile(rf"[{_MARKS}]\r?\n?")
_RANGES = tuple((dash, re.compile(rf"{dash}(?<=\d{dash})\s*\n\s*(?=\d)")) for dash in "-–")  # the dash first: it is quickly found
_COMPOUND = re.compile(r"[^\W\d_]+-[^\W\d_]+")
_WORD = re.compile(r"[^\W\d_]{4,}")
_HEADS = frozenset((
    "ace", "acid", "age", "air", "all", "alpha", "beta", "blood", "body", "breast", "broad", "case", "clinic", "cross", "day", "delta", "dose", "double",
    "drug", "early", "end", "evidence", "ex", "eye", "first", "five", "follow", "four", "full", "gamma", "half", "hand", "health", "heart", "high", "home",
    "hour", "ill", "kidney", "late", "life", "light", "liver", "long", "low", "meta", "mid", "month", "multi", "near", "needle", "non", "off", "old", "once",
    "one", "open", "over", "patient", "point", "post", "pre", "quick", "quality", "rapid", "risk", "second", "self", "semi", "short", "single", "six", "skin",
    "slow", "step", "ten", "third", "three", "time", "twice", "two", "type", "ultra", "walk", "water", "week", "weight", "well", "whole", "year",
))
_TAILS = frozenset((
    "acting", "adjusted", "agonist", "associated", "based", "blocker", "blockers", "by", "coated", "code", "controlled", "day", "days", "dependent", "dose",
    "effect", "effects", "fold", "free", "hour", "hours", "hourly", "inducing", "induced", "inhibitor", "inhibitors", "like", "line", "month", "negative",
    "old", "only", "positive", "ray", "rays", "related", "release", "resistant", "response", "risk", "sensitive", "specific", "steroidal", "term",
    "threatening", "to", "up", "week", "weekly", "wide", "year", "years",
))
_LOOSE_HEADS = {"over", "post", "pre", "multi", "meta", "semi", "ultra", "end", "all", "ex", "mid", "one", "ten", "air", "ill", "age", "day", "old", "non"}


def joined_words(text: str) -> str:
    """Return text whose words are whole again at the ends of lines."""
    if any(mark in text for mark in _MARKS):
        text = _without_marks(text)
    if "\n" in text:
        for dash, ends in _RANGES:
            text = ends.sub(dash, text)
    return text


def _without_marks(text: str) -> str:
    compounds = {word.lower() for word in _COMPOUND.findall(text)}
    words = Counter(word.lower() for word in _WORD.findall(text))

    def join(found: re.Match[str]) -> str:
        head, tail = found[1], found[2]
        return f"{head}{'-' if _keeps_hyphen(head, tail, compounds, words) else ''}{tail}"

    return _MARK.sub("", _BROKEN.sub(join, text))


def _keeps_hyphen(head: str, tail: str, compounds: set[str], words: "Counter[str]") -> bool:
    if not tail[0].islower() or not head[-1].isalpha() or len(head) == 1 or any(c.isupper() or c.isdigit() for c in head[1:]):
        return True
    pair = head.lower(), tail.lower()
    if "-".join(pair) in compounds:
        return True
    if "".join(pair) in words:
        return False
    if pair[1] in _TAILS and len(head) > 2:
        return True
    if pair[0] in _HEADS and (pair[0] not in _LOOSE_HEADS or pair[0] == "non"):
        return len(tail) > 2
    return pair[0][-1] == pair[1][0] and pair[0] in ("anti", "pre", "re", "co", "semi", "intra", "extra", "ultra", "micro")
