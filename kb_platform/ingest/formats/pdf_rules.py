"""Tables between ruled lines on a PDF page: which cells the lines make, and which runs of text stand in them."""

import ctypes
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kb_platform.ingest.formats.pdf_runs import Run
from kb_platform.ingest.formats.tables import Cell

_THICK = 3.0  # points; a filled box no thicker is a line
_NEAR = 3.0
_MOST_LINES = 4000
_MOST_MEETINGS = 20_000  # beyond that it is a drawing
_LEAST_LENGTH = 6.0


@dataclass(frozen=True)
class Line:
    """A horizontal or vertical line at `at` from `start` to `end`."""

    at: float
    start: float
    end: float


@dataclass(frozen=True)
class Grid:
    """The lines of one table: `xs` from left to right, `ys` from top to bottom."""

    xs: tuple[float, ...]
    ys: tuple[float, ...]
    horizontal: tuple[Line, ...]
    vertical: tuple[Line, ...]

    def holds(self, run: Run) -> bool:
        """Say whether a run stands in the table."""
        x, y = run.middle
        return self.xs[0] <= x <= self.xs[-1] and self.ys[-1] <= y <= self.ys[0]

    def rows(self, texts: Sequence[tuple[Run, str]]) -> list[list[Cell]]:
        """Return the rows of cells, with the texts that stand in each; a cell reaches as far as no line stops it."""
        placed = [(*run.middle, text) for run, text in texts]
        taken: set[tuple[int, int]] = set()
        rows: list[list[Cell]] = []
        for top in range(len(self.ys) - 1):
            rows.append([])
            for left in range(len(self.xs) - 1):
                if (top, left) in taken:
                    continue
                columns = rows_down = 1
                while left + columns < len(self.xs) - 1 and not self._stops(self.vertical, self.xs[left + columns], self.ys[top], self.ys[top + 1]):
                    columns += 1
                while top + rows_down < len(self.ys) - 1 and not self._stops(
                    self.horizontal, self.ys[top + rows_down], self.xs[left], self.xs[left + 1]
                ):
                    rows_down += 1
                taken |= {(top + y, left + x) for y in range(rows_down) for x in range(columns)}
                box = (self.xs[left], self.ys[top + rows_down], self.xs[left + columns], self.ys[top])
                rows[-1].append(Cell(_inside(placed, box), columns, rows_down))
        return rows

    @staticmethod
    def _stops(lines: Iterable[Line], at: float, start: float, end: float) -> bool:
        middle = (start + end) / 2
        return any(abs(line.at - at) <= _NEAR and line.start - _NEAR <= middle <= line.end + _NEAR for line in lines)


def _inside(texts: Sequence[tuple[float, float, str]], box: tuple[float, float, float, float]) -> str:
    x0, y0, x1, y1 = box
    return "".join(text for x, y, text in texts if x0 <= x <= x1 and y0 <= y <= y1)


def grids(page: Any, texts: int) -> list[Grid]:
    """Return the tables that lines make, with at least two columns and two rows. `texts` is how many objects of the page are text."""
    horizontal, vertical = (_merged(lines) for lines in _lines(page, texts))
    if len(horizontal) < 3 or len(vertical) < 3 or len(horizontal) * len(vertical) > _MOST_MEETINGS:
        return []
    found = []
    for across, down in _groups(horizontal, vertical):
        xs, ys = _distinct(line.at for line in down), _distinct(line.at for line in across)
        if len(xs) > 2 and len(ys) > 2:
            found.append(Grid(tuple(xs), tuple(reversed(ys)), tuple(across), tuple(down)))
    return found


def _merged(lines: list[Line]) -> list[Line]:
    """Return lines without their joints: tables are often drawn edge by edge."""
    merged: list[Line] = []
    for line in sorted(lines, key=lambda found: (round(found.at), found.start)):
        last = merged[-1] if merged else None
        if last and abs(last.at - line.at) <= 1 and line.start <= last.end + 1:
            merged[-1] = Line(last.at, last.start, max(last.end, line.end))
        else:
            merged.append(line)
    return merged


def _distinct(places: Iterable[float]) -> list[float]:
    kept: list[float] = []
    for place in sorted(places):
        if not kept or place - kept[-1] > _NEAR:
            kept.append(place)
    return kept


def _groups(horizontal: list[Line], vertical: list[Line]) -> list[tuple[list[Line], list[Line]]]:
    """Return lines that meet each other, directly or through others."""
    owner = list(range(len(horizontal) + len(vertical)))

    def root(n: int) -> int:
        while owner[n] != n:
            owner[n] = owner[owner[n]]
            n = owner[n]
        return n

    for h, across in enumerate(horizontal):
        for v, down in enumerate(vertical):
            if across.start - _NEAR <= down.at <= across.end + _NEAR and down.start - _NEAR <= across.at <= down.end + _NEAR:
                owner[root(len(horizontal) + v)] = root(h)
    groups: dict[int, tuple[list[Line], list[Line]]] = {}
    for n, line in enumerate([*horizontal, *vertical]):
        groups.setdefault(root(n), ([], []))[n >= len(horizontal)].append(line)
    return list(groups.values())


def _lines(page: Any, texts: int) -> tuple[list[Line], list[Line]]:
    import pypdfium2.raw as pdfium

    horizontal: list[Line] = []
    vertical: list[Line] = []
    if pdfium.FPDFPage_CountObjects(page) <= texts or not _has_paths(pdfium, page):
        return horizontal, vertical
    for item in page.get_objects(filter=(pdfium.FPDF_PAGEOBJ_PATH,), max_depth=3):
        if len(horizontal) + len(vertical) > _MOST_LINES:
            break
        left, bottom, right, top = item.get_bounds()
        if top - bottom <= _THICK:
            _add(horizontal, (top + bottom) / 2, left, right)
        elif right - left <= _THICK:
            _add(vertical, (left + right) / 2, bottom, top)
        else:
            for (x0, y0), (x1, y1) in _segments(pdfium, item):
                if abs(y0 - y1) <= 0.5:
                    _add(horizontal, y0, min(x0, x1), max(x0, x1))
                elif abs(x0 - x1) <= 0.5:
                    _add(vertical, x0, min(y0, y1), max(y0, y1))
    return horizontal, vertical


def _has_paths(pdfium: Any, page: Any) -> bool:
    kinds = (pdfium.FPDFPageObj_GetType(pdfium.FPDFPage_GetObject(page, n)) for n in range(pdfium.FPDFPage_CountObjects(page)))
    return any(kind in (pdfium.FPDF_PAGEOBJ_PATH, pdfium.FPDF_PAGEOBJ_FORM) for kind in kinds)


def _add(lines: list[Line], at: float, start: float, end: float) -> None:
    if end - start >= _LEAST_LENGTH:
        lines.append(Line(at, start, end))


def _segments(pdfium: Any, item: Any) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Return the straight strokes of a path in the page's coordinates."""
    matrix, x, y = item.get_matrix(), ctypes.c_float(), ctypes.c_float()
    found: list[tuple[tuple[float, float], tuple[float, float]]] = []
    first = last = (0.0, 0.0)
    for n in range(min(pdfium.FPDFPath_CountSegments(item.raw), _MOST_LINES)):
        segment = pdfium.FPDFPath_GetPathSegment(item.raw, n)
        pdfium.FPDFPathSegment_GetPoint(segment, x, y)
        point = matrix.on_point(x.value, y.value)
        kind = pdfium.FPDFPathSegment_GetType(segment)
        if kind == pdfium.FPDF_SEGMENT_MOVETO:
            first = point
        elif kind == pdfium.FPDF_SEGMENT_LINETO:
            found.append((last, point))
        last = point
        if pdfium.FPDFPathSegment_GetClose(segment):
            found.append((point, first))
    return found
