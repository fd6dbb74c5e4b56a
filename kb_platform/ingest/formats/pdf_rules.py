"""Tables between ruled lines on a PDF page: which cells the lines make, and which runs of text stand in them."""

import ctypes
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kb_platform.ingest.formats.pdf_calls import Matrix, Numbers, box_of, function, matrix_of, objects_of, product
from kb_platform.ingest.formats.pdf_runs import Run
from kb_platform.ingest.formats.tables import Cell

_THICK = 3.0  # points; a filled box no thicker is a line
_NEAR = 3.0
_MOST_LINES = 4000
_MOST_MEETINGS = 20_000  # beyond that it is a drawing
_LEAST_LENGTH = 6.0


@dataclass(frozen=True, slots=True)
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
        stops_right, stops_down = (_near(self.vertical, self.xs), _near(self.horizontal, self.ys))
        taken: set[tuple[int, int]] = set()
        rows: list[list[Cell]] = []
        for top in range(len(self.ys) - 1):
            rows.append([])
            beside: dict[int, list[tuple[float, float, str]]] = {}  # texts between the top of the row and a bottom
            for left in range(len(self.xs) - 1):
                if (top, left) in taken:
                    continue
                columns = rows_down = 1
                while left + columns < len(self.xs) - 1 and not _stop(stops_right[left + columns], self.ys[top], self.ys[top + 1]):
                    columns += 1
                while top + rows_down < len(self.ys) - 1 and not _stop(stops_down[top + rows_down], self.xs[left], self.xs[left + 1]):
                    rows_down += 1
                if columns > 1 or rows_down > 1:
                    taken |= {(top + y, left + x) for y in range(rows_down) for x in range(columns)}
                if rows_down not in beside:
                    beside[rows_down] = [text for text in placed if self.ys[top + rows_down] <= text[1] <= self.ys[top]]
                x0, x1 = self.xs[left], self.xs[left + columns]
                rows[-1].append(Cell("".join(text for x, _, text in beside[rows_down] if x0 <= x <= x1), columns, rows_down))
        return rows


def _near(lines: Iterable[Line], places: Sequence[float]) -> list[list[Line]]:
    """Return for each place the lines that stand there."""
    return [[line for line in lines if abs(line.at - place) <= _NEAR] for place in places]


def _stop(lines: Iterable[Line], start: float, end: float) -> bool:
    """Say whether one of the lines stands between the middles of two cells."""
    middle = (start + end) / 2
    for line in lines:  # noqa: SIM110 - asked for every cell, and any() makes a generator
        if line.start - _NEAR <= middle <= line.end + _NEAR:
            return True
    return False


def grids(page: Any) -> list[Grid]:
    """Return the tables that lines make, with at least two columns and two rows."""
    horizontal, vertical = (_merged(lines) for lines in _lines(page))
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


def _lines(page: Any) -> tuple[list[Line], list[Line]]:
    import pypdfium2.raw as pdfium

    horizontal: list[Line] = []
    vertical: list[Line] = []
    box, bounds_of = Numbers(ctypes.c_float, 4), function("FPDFPageObj_GetBounds", ctypes.c_int)
    for _, item, to_page in objects_of(page, (pdfium.FPDF_PAGEOBJ_PATH,)):
        if len(horizontal) + len(vertical) > _MOST_LINES:
            break
        if not bounds_of(item, *box.at):
            continue
        left, bottom, right, top = box_of(box.values, to_page)
        if top - bottom <= _THICK:
            _add(horizontal, (top + bottom) / 2, left, right)
        elif right - left <= _THICK:
            _add(vertical, (left + right) / 2, bottom, top)
        else:
            for (x0, y0), (x1, y1) in _segments(pdfium, item, to_page):
                if abs(y0 - y1) <= 0.5:
                    _add(horizontal, y0, min(x0, x1), max(x0, x1))
                elif abs(x0 - x1) <= 0.5:
                    _add(vertical, x0, min(y0, y1), max(y0, y1))
    return horizontal, vertical


def _add(lines: list[Line], at: float, start: float, end: float) -> None:
    if end - start >= _LEAST_LENGTH:
        lines.append(Line(at, start, end))


def _segments(pdfium: Any, item: Any, to_page: Matrix) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Return the straight strokes of a path in the page's coordinates."""
    place = Numbers(ctypes.c_float, 2)
    a, b, c, d, e, f = product(matrix_of(item), to_page)
    segment_at, point_of = function("FPDFPath_GetPathSegment", ctypes.c_void_p), function("FPDFPathSegment_GetPoint", ctypes.c_int)
    kind_of, closes = function("FPDFPathSegment_GetType", ctypes.c_int), function("FPDFPathSegment_GetClose", ctypes.c_int)
    found: list[tuple[tuple[float, float], tuple[float, float]]] = []
    first = last = (0.0, 0.0)
    for n in range(min(function("FPDFPath_CountSegments", ctypes.c_int)(item), _MOST_LINES)):
        segment = ctypes.c_void_p(segment_at(item, n))
        point_of(segment, *place.at)
        x, y = place.values
        point = a * x + c * y + e, b * x + d * y + f
        kind = kind_of(segment)
        if kind == pdfium.FPDF_SEGMENT_MOVETO:
            first = point
        elif kind == pdfium.FPDF_SEGMENT_LINETO:
            found.append((last, point))
        last = point
        if closes(segment):
            found.append((point, first))
    return found
