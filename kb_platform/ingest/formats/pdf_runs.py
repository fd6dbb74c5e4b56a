"""The runs of text of a PDF page: what one drawing instruction shows, where it stands, and whether anybody sees it.

pdfium gives characters in reading order and lays out spaces and line ends; asking it about every character is slow in Python, so that
only the first and the last one of each run are asked for.
"""

import ctypes
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from kb_platform.ingest.formats.pdf_calls import Numbers, box_of, function, objects_of

_WHITE = 250
_TINY = 1.0  # points
_SCAN_SHARE = 0.4  # of the page that images cover: invisible text over them is what the scan shows
_INVISIBLE = 3  # text render mode


@dataclass(slots=True)
class Run:
    """A piece of text at a place: `x0` to `x1` on the baseline `y`, in points; `gap` is what pdfium put in front of it."""

    text: str
    x0: float
    x1: float
    y: float
    size: float
    gap: str = ""
    shown: bool = True

    @property
    def middle(self) -> tuple[float, float]:
        """Return the middle of the run."""
        return (self.x0 + self.x1) / 2, self.y + self.size / 3


def page_runs(page: Any, text_page: Any, bounds: tuple[float, float, float, float]) -> list[Run]:
    """Return the runs of a page in pdfium's reading order; the page shows what lies in `bounds`: left, bottom, right, top."""
    import pypdfium2.raw as pdfium

    asked = _Answers(text_page)
    count = pdfium.FPDFText_CountChars(text_page)
    whole = _text(pdfium, text_page, 0, count)
    is_whole = len(whole) == count  # else there are characters without text, or beyond the first plane
    runs: list[Run] = []
    handles: list[int] = []
    gap = ""
    for handle, start, end in _spans(asked.handle_at, count, whole if is_whole else ""):
        text = whole[start:end] if is_whole else _text(pdfium, text_page, start, end)
        if not handle or text.isspace() or not text:
            gap += text
        else:
            runs.append(asked.run(text, start, end, gap))
            handles.append(handle)
            gap = ""
    _mark_unseen(pdfium, page, runs, handles, bounds)
    return runs


def _text(pdfium: Any, text_page: Any, start: int, end: int) -> str:
    """Return the text from a character to another one; some have none, and pdfium must not be asked to begin or end there."""
    while start < end and pdfium.FPDFText_GetTextIndexFromCharIndex(text_page, start) < 0:
        start += 1
    while start < end and pdfium.FPDFText_GetTextIndexFromCharIndex(text_page, end - 1) < 0:
        end -= 1
    if start >= end:
        return ""
    first, last = (pdfium.FPDFText_GetTextIndexFromCharIndex(text_page, n) for n in (start, end - 1))
    units = (ctypes.c_ushort * (last + 2 - first))()
    written = pdfium.FPDFText_GetText(text_page, start, end - start, units)
    return bytes(units)[: 2 * (written - 1)].decode("utf-16-le", errors="ignore")


class _Answers:
    """What pdfium says of the characters of one page."""

    def __init__(self, text_page: Any) -> None:
        self._page = ctypes.cast(text_page, ctypes.c_void_p)
        numbers, self._matrix = Numbers(ctypes.c_double, 4), Numbers(ctypes.c_float, 6)
        self._numbers, self._at = numbers.values, numbers.at
        self.handle_at: Callable[[int], int | None] = partial(function("FPDFText_GetTextObject", ctypes.c_void_p), self._page)
        """Returns the text object of a character, None where pdfium laid it out itself."""
        self._origin = function("FPDFText_GetCharOrigin", ctypes.c_int)
        self._box, self._matrix_of = function("FPDFText_GetCharBox", ctypes.c_int), function("FPDFText_GetMatrix", ctypes.c_int)
        self._size = function("FPDFText_GetFontSize", ctypes.c_double)

    def run(self, text: str, start: int, end: int, gap: str) -> Run:
        """Return a run with its place."""
        page, numbers, at, matrix = self._page, self._numbers, self._at, self._matrix.values
        self._origin(page, start, at[0], at[1])
        x, y = numbers[0], numbers[1]
        last = end - 1 - (len(text) - len(text.rstrip())) if len(text) == end - start else end - 1
        self._box(page, last, *at)  # left, right, bottom, top
        right = numbers[1]
        self._matrix_of(page, start, self._matrix.at[0])
        size = abs(self._size(page, start)) * (abs(matrix[3]) or abs(matrix[1]) or 1.0)
        return Run(text, x, right if right > x else x, y, size, gap)


def _spans(handle_at: Callable[[int], int | None], count: int, whole: str) -> Iterator[tuple[int | None, int, int]]:
    """Yield text objects, each with its first character and the one behind its last: by the line ends that pdfium writes, else by strides."""
    start, line_end, own = 0, -1, handle_at(0) if count else None
    while start < count:
        if line_end < start:
            line_end = whole.find("\r\n", start) if whole else count
            line_end = count if line_end < 0 else line_end
        if own is None:
            end, following = start + 1, None
            while end < count and (following := handle_at(end)) is None:
                end += 1
        elif start < line_end < count and handle_at(line_end - 1) == own and handle_at(line_end) is None:
            end, following = line_end, None
        else:
            end, following = _end_by_strides(handle_at, own, start, count)
        yield own, start, end
        start, own = end, following


def _end_by_strides(handle_at: Callable[[int], int | None], own: int, start: int, count: int) -> tuple[int, int | None]:
    """Return the first character of another object, and that: by strides that double, then by halves."""
    low, step, following = start, 16, None
    while low + step < count and (following := handle_at(low + step)) == own:
        low += step
        step *= 2
    high = min(low + step, count)
    while high - low > 1:
        middle = (low + high) // 2
        found = handle_at(middle)
        if found == own:
            low = middle
        else:
            high, following = middle, found
    return high, following


def _mark_unseen(pdfium: Any, page: Any, runs: list[Run], handles: list[int], bounds: tuple[float, float, float, float]) -> None:
    left, bottom, right, top = bounds
    suspects: list[tuple[Run, bool]] = []  # and whether it is invisible, not white
    colour = Numbers(ctypes.c_uint, 4)
    values, at = colour.values, colour.at
    mode_of, colour_of = function("FPDFTextObj_GetTextRenderMode", ctypes.c_int), function("FPDFPageObj_GetFillColor", ctypes.c_int)
    for run, handle in zip(runs, handles, strict=True):
        text_object, size = ctypes.c_void_p(handle), run.size
        run.shown = left - 1 <= (run.x0 + run.x1) / 2 <= right + 1 and bottom - 1 <= run.y + size / 3 <= top + 1 and size >= _TINY
        if mode_of(text_object) == _INVISIBLE:
            suspects.append((run, True))
        elif colour_of(text_object, *at) and (values[3] == 0 or (values[0] >= _WHITE and values[1] >= _WHITE and values[2] >= _WHITE)):
            suspects.append((run, False))
    if not suspects:
        return
    grounds, images = _grounds(pdfium, page)
    scanned = sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in images) >= _SCAN_SHARE * (right - left) * (top - bottom)
    for run, invisible in suspects:
        x, y = run.middle
        behind = scanned if invisible else any(x0 <= x <= x1 and y0 <= y <= y1 for x0, y0, x1, y1 in (*grounds, *images))
        run.shown = run.shown and behind


def _grounds(pdfium: Any, page: Any) -> tuple[list[tuple[float, ...]], list[tuple[float, ...]]]:
    """Return the places of painted areas that are not white, and of images."""
    grounds: list[tuple[float, ...]] = []
    images: list[tuple[float, ...]] = []
    colour, modes, box = Numbers(ctypes.c_uint, 4), Numbers(ctypes.c_int, 2), Numbers(ctypes.c_float, 4)
    bounds_of, mode_of = function("FPDFPageObj_GetBounds", ctypes.c_int), function("FPDFPath_GetDrawMode", ctypes.c_int)
    colour_of = function("FPDFPageObj_GetFillColor", ctypes.c_int)
    for kind, item, to_page in objects_of(page, (pdfium.FPDF_PAGEOBJ_PATH, pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_SHADING)):
        if not bounds_of(item, *box.at):
            continue
        if kind != pdfium.FPDF_PAGEOBJ_PATH:
            images.append(box_of(box.values, to_page))
        elif colour_of(item, *colour.at) and min(colour.values[:3]) < _WHITE and mode_of(item, *modes.at) and modes.values[0]:
            grounds.append(box_of(box.values, to_page))
    return grounds, images
