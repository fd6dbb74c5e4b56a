"""The difference between two texts, line by line, and word by word within a changed line. Pure; what it says is escaped by the template."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

MOST_LINES, LONGEST_LINE = 20_000, 4000  # beyond them a comparison takes too long to wait for
AROUND = 3  # unchanged lines shown around a change
WORDS = re.compile(r"\s+|\w+|[^\w\s]")
Sign = Literal["same", "removed", "added", "skipped"]


@dataclass(frozen=True)
class Part:
    """A piece of a line; `changed` pieces are what the other line has not."""

    text: str
    changed: bool = False


@dataclass(frozen=True)
class Line:
    """A line of either text with its number there; of skipped ones `number` is how many."""

    sign: Sign
    number: int
    parts: tuple[Part, ...] = ()


def compare(old: str, new: str) -> list[Line] | None:
    """Return the lines to show; None where the texts are too long to compare."""
    before, after = old.splitlines(), new.splitlines()
    if max(len(before), len(after)) > MOST_LINES:
        return None
    shown: list[Line] = []
    seen = 0
    for group in SequenceMatcher(None, before, after).get_grouped_opcodes(AROUND):
        if group[0][1] > seen:
            shown.append(Line("skipped", group[0][1] - seen))
        for tag, i1, i2, j1, j2 in group:
            shown += _same(after[j1:j2], j1) if tag == "equal" else _changed(before[i1:i2], after[j1:j2], i1, j1)
        seen = group[-1][2]
    if shown and seen < len(before):
        shown.append(Line("skipped", len(before) - seen))
    return shown


def _same(lines: Sequence[str], start: int) -> Iterator[Line]:
    return (Line("same", start + n, (Part(line),)) for n, line in enumerate(lines, 1))


def _changed(before: Sequence[str], after: Sequence[str], i: int, j: int) -> Iterator[Line]:
    pairs = [_words(a, b) for a, b in zip(before, after, strict=False)]
    olds = [old for old, _ in pairs] + [(Part(line),) for line in before[len(pairs):]]
    news = [new for _, new in pairs] + [(Part(line),) for line in after[len(pairs):]]
    yield from (Line("removed", i + n, parts) for n, parts in enumerate(olds, 1))
    yield from (Line("added", j + n, parts) for n, parts in enumerate(news, 1))


def _words(old: str, new: str) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    if max(len(old), len(new)) > LONGEST_LINE:
        return (Part(old),), (Part(new),)
    a, b = WORDS.findall(old), WORDS.findall(new)
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    if matcher.quick_ratio() < 0.4:  # two lines that only stand in the same place
        return (Part(old),), (Part(new),)
    codes = matcher.get_opcodes()
    olds = tuple(Part("".join(a[i1:i2]), tag != "equal") for tag, i1, i2, _, _ in codes if i2 > i1)
    news = tuple(Part("".join(b[j1:j2]), tag != "equal") for tag, _, _, j1, j2 in codes if j2 > j1)
    return olds, news
