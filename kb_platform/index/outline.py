"""The structure of a Markdown text as far as cutting needs it: headings, tables, and where a cut would hurt least.

Only what changes a cut is recognised: ATX headings, paragraphs, list items, table rows, fenced code (whose `#` lines are no
headings). Text without any Markdown is paragraphs. Setext headings are paragraphs.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from kb_platform.index.sentences import sentence_starts

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+|$)")
_ITEM = re.compile(r"(\s*)(?:[-*+•]|(?:\d{1,4}\.)*\d{1,9}[.)]|(?:\d{1,3}\.){1,8}\d{1,3}|[A-Za-z][.)]|[ivxlcdmIVXLCDM]{2,9}[.)])\s")
_TABLE_RULE = re.compile(r"\s*\|?[\s:|-]*-[\s:|-]*$")
_PIPE = re.compile(r"(?<!\\)\|")
_CELL = re.compile(r"(?<=\| )[^|\s]")
_SHORT_LINE = 40  # characters; a shorter line was ended by its writer, not by the page's width


class Rank(IntEnum):
    """How well a cut fits, best first."""

    HEADING = 0
    PARAGRAPH = 1
    ITEM = 2
    SENTENCE = 3
    ROW = 4  # a table row again: rather a small piece than half a row
    CELL = 5  # inside a row that is longer than a piece


@dataclass(frozen=True)
class Boundary:
    """A position at which the text may be cut; `level` is that of a heading, else 0."""

    position: int
    rank: Rank
    level: int = 0


@dataclass(frozen=True)
class Heading:
    """A heading line: text[start:end] is the line, `path` the headings above it and its own words."""

    start: int
    end: int
    level: int
    path: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table: its rows, the first of which names the columns."""

    start: int
    end: int
    columns: str


@dataclass(frozen=True)
class Outline:
    """Headings and tables in text order; boundaries in no order, and a position may occur twice."""

    headings: tuple[Heading, ...]
    tables: tuple[Table, ...]
    boundaries: tuple[Boundary, ...]

    def path_at(self, position: int) -> tuple[str, ...]:
        """Return the headings that govern a position; a heading line is governed by those above it."""
        i = bisect_right(self.headings, position, key=lambda h: h.start) - 1
        if i < 0:
            return ()
        path = self.headings[i].path
        return path[:-1] if position < self.headings[i].end else path

    def columns_at(self, position: int) -> str:
        """Return the column names if the position lies in the body of a table."""
        i = bisect_right(self.tables, position, key=lambda t: t.start) - 1
        return self.tables[i].columns if i >= 0 and self.tables[i].start < position < self.tables[i].end else ""


def read_outline(text: str) -> Outline:
    """Read the structure of a text in linear time."""
    lines = list(_read_lines(text))
    headings = tuple(_headings(lines))
    boundaries = [boundary for boundary in _line_boundaries(lines) if boundary.position > 0]
    rows = [line for line in lines if line.kind == "row"]
    for position in sentence_starts(text):
        if not _is_inside(position, headings):
            boundaries.append(Boundary(position, Rank.CELL if _is_inside(position, rows) else Rank.SENTENCE))
    boundaries += [Boundary(row.start + cell.start(), Rank.CELL) for row in rows for cell in _CELL.finditer(text[row.start : row.end])]
    return Outline(headings, tuple(_tables(lines)), tuple(boundaries))


def _is_inside(position: int, lines: "Sequence[Heading | _Line]") -> bool:
    """Say whether a position lies in one of these lines."""
    i = bisect_right(lines, position, key=lambda line: line.start) - 1
    return i >= 0 and position < lines[i].end


@dataclass(frozen=True)
class _Line:
    start: int
    end: int
    text: str  # stripped
    kind: str  # blank, heading, item, nested, rule, row, code, text
    level: int = 0


def _read_lines(text: str) -> Iterator[_Line]:
    fence = ""
    for match in _LINE.finditer(text):
        raw = match.group()
        stripped = raw.strip()
        if fence:
            fence = "" if stripped.startswith(fence) else fence
            yield _Line(match.start(), match.end(), stripped, "code" if stripped else "blank")
            continue
        fence = stripped[:3] if stripped.startswith(("```", "~~~")) else ""
        kind, level = _kind(raw, stripped)
        yield _Line(match.start(), match.end(), stripped, kind, level)


def _kind(raw: str, stripped: str) -> tuple[str, int]:
    if not stripped:
        return "blank", 0
    if heading := _HEADING.match(raw):
        return "heading", len(heading.group(1))
    if stripped.startswith("|"):
        return ("rule" if len(stripped) < 1000 and _TABLE_RULE.match(stripped) else "row"), 0
    if item := _ITEM.match(raw[:80]):
        return ("item" if len(item.group(1)) < 2 else "nested"), 0
    return "text", 0


def _line_boundaries(lines: list[_Line]) -> Iterator[Boundary]:
    """Yield a boundary for each line that may open a chunk; a heading keeps the line that follows it."""
    previous, after_blank = None, False
    for line in lines:
        if line.kind == "blank":
            after_blank = True
            continue
        if line.kind == "heading":
            yield Boundary(line.start, Rank.HEADING, line.level)
        elif previous is not None and previous.kind != "heading":
            rank = _rank(previous, line, after_blank=after_blank)
            if rank is not None:
                yield Boundary(line.start, rank)
            if rank == Rank.ITEM and line.kind == "row":
                yield Boundary(line.start, Rank.ROW)
        previous, after_blank = line, False


def _rank(previous: _Line, line: _Line, *, after_blank: bool) -> Rank | None:
    if line.kind == "rule" or previous.kind == "rule":
        return None  # column names, the rule below them and the first row stay together
    if line.kind == "nested" or previous.text.rstrip("*_ ").endswith(":"):
        return Rank.SENTENCE  # a list keeps the line that introduces it, if it can
    if line.kind in {"item", "row"}:
        return Rank.ITEM
    if after_blank:
        return Rank.PARAGRAPH
    return Rank.SENTENCE if len(previous.text) < _SHORT_LINE else None


def _headings(lines: list[_Line]) -> Iterator[Heading]:
    above: list[tuple[int, str]] = []
    for line in lines:
        if line.kind == "heading":
            above = [(level, words) for level, words in above if level < line.level]
            above.append((line.level, line.text.strip("# \t")))
            yield Heading(line.start, line.end, line.level, tuple(words for _, words in above if words))


def _tables(lines: list[_Line]) -> Iterator[Table]:
    header = None
    for previous, line in zip([None, *lines], lines, strict=False):
        if line.kind == "rule" and previous is not None and previous.kind == "row" and header is None:
            header = previous
        elif header is not None and line.kind != "row":
            yield Table(header.start, line.start, _columns(header.text))
            header = None
    if header is not None:
        yield Table(header.start, lines[-1].end, _columns(header.text))


def _columns(row: str) -> str:
    return ", ".join(cell.strip() for cell in _PIPE.split(row) if cell.strip())
