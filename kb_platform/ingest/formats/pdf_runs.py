"""The runs of text of a PDF page: what one drawing instruction shows, where it stands, and whether anybody sees it.

pdfium gives characters in reading order and lays out spaces and line ends; asking it about every character is slow in Python, so that
only the first and the last one of each run are asked for.
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, NamedTuple

_WHITE = 250
_TINY = 1.0  # points
_SCAN_SHARE = 0.4  # of the page that images cover: invisible text over them is what the scan shows
_INVISIBLE = 3  # text render mode


@dataclass
class Run:
    """A piece of text at a place: `x0` to `x1` on the baseline `y`, in points; `gap` is what pdfium put in front of it."""

    text: str
    x0: float
    x1: float
    y: float
    size: float
    gap: str = ""
    shown: bool = True

    @cached_property
    def middle(self) -> tuple[float, float]:
        """Return the middle of the run."""
        return (self.x0 + self.x1) / 2, self.y + self.size / 3


class PageRuns(NamedTuple):
    """The runs of a page in pdfium's reading order, and of how many objects they are."""

    runs: list[Run]
    objects: int


def page_runs(page: Any, text_page: Any, bounds: tuple[float, float, float, float]) -> PageRuns:
    """Return the runs of a page, which shows what lies in `bounds`: left, bottom, right, top."""
    import pypdfium2.raw as pdfium

    asked = _Answers(text_page)
    count = pdfium.FPDFText_CountChars(text_page)
    whole = text_page.get_text_range(0, count) if count else ""
    is_whole = len(whole) == count  # else there are characters without text, or beyond the first plane
    runs: list[Run] = []
    handles: list[int] = []
    gap, start = "", 0
    while start < count:
        handle = asked.handle_at(start)
        end = _end_of_run(asked.handle_at, handle, start, count, whole.find("\r\n", start) if is_whole else -1)
        text = whole[start:end] if is_whole else text_page.get_text_range(start, end - start)
        if not handle or text.isspace() or not text:
            gap += text
        else:
            runs.append(asked.run(text, start, end, gap))
            handles.append(handle)
            gap = ""
        start = end
    _mark_unseen(pdfium, page, runs, handles, bounds)
    return PageRuns(runs, len(set(handles)))


@cache
def _function(name: str, result: Any) -> Callable[..., Any]:
    """Return a function of pdfium's that takes what ctypes has made before: it is asked for every run, and checking types takes longer."""
    import pypdfium2.raw as pdfium

    return ctypes.CFUNCTYPE(result)(ctypes.cast(getattr(pdfium, name), ctypes.c_void_p).value or 0)


class _Answers:
    """What pdfium says of the characters of one page, written into one place."""

    def __init__(self, text_page: Any) -> None:
        self._page = ctypes.cast(text_page.raw, ctypes.c_void_p)
        self._numbers, self._matrix = (ctypes.c_double * 4)(), (ctypes.c_float * 6)()
        self._at = [ctypes.byref(self._numbers, n * ctypes.sizeof(ctypes.c_double)) for n in range(4)]
        self._matrix_at = ctypes.byref(self._matrix)
        self._handle, self._origin = _function("FPDFText_GetTextObject", ctypes.c_void_p), _function("FPDFText_GetCharOrigin", ctypes.c_int)
        self._box, self._matrix_of = _function("FPDFText_GetCharBox", ctypes.c_int), _function("FPDFText_GetMatrix", ctypes.c_int)
        self._size = _function("FPDFText_GetFontSize", ctypes.c_double)
        self._last: tuple[int, int | None] = (-1, None)

    def handle_at(self, character: int) -> int | None:
        """Return the text object of a character; the last answer is kept, for the end of a run is the beginning of the next."""
        if self._last[0] != character:
            self._last = character, self._handle(self._page, character)
        return self._last[1]

    def run(self, text: str, start: int, end: int, gap: str) -> Run:
        """Return a run with its place."""
        numbers, matrix = self._numbers, self._matrix
        self._origin(self._page, start, self._at[0], self._at[1])
        x, y = numbers[0], numbers[1]
        last = end - 1 - (len(text) - len(text.rstrip())) if len(text) == end - start else end - 1
        self._box(self._page, last, *self._at)  # left, right, bottom, top
        right = numbers[1]
        self._matrix_of(self._page, start, self._matrix_at)
        size = self._size(self._page, start) * (abs(matrix[3]) or abs(matrix[1]) or 1.0)
        return Run(text, x, max(right, x), y, size, gap)


def _end_of_run(handle_at: Callable[[int], int | None], own: int | None, start: int, count: int, line_end: int) -> int:
    """Return the first character of another object: by the line ends that pdfium writes, else by strides that double, then by halves."""
    if line_end == start and own is None and start + 2 < count and handle_at(start + 2):
        return start + 2
    if own and line_end > start and handle_at(line_end - 1) == own and handle_at(line_end) is None:
        return line_end
    low, step = start, 2 if own is None else 16
    while low + step < count and handle_at(low + step) == own:
        low += step
        step *= 2
    high = min(low + step, count)
    while high - low > 1:
        middle = (low + high) // 2
        if handle_at(middle) == own:
            low = middle
        else:
            high = middle
    return high


def _mark_unseen(pdfium: Any, page: Any, runs: list[Run], handles: list[int], bounds: tuple[float, float, float, float]) -> None:
    left, bottom, right, top = bounds
    suspects: list[tuple[Run, bool]] = []  # and whether it is invisible, not white
    colours = (ctypes.c_uint * 4)()
    at = [ctypes.byref(colours, n * ctypes.sizeof(ctypes.c_uint)) for n in range(4)]
    mode_of, colour_of = _function("FPDFTextObj_GetTextRenderMode", ctypes.c_int), _function("FPDFPageObj_GetFillColor", ctypes.c_int)
    for run, handle in zip(runs, handles, strict=True):
        (x, y), text_object = run.middle, ctypes.c_void_p(handle)
        run.shown = left - 1 <= x <= right + 1 and bottom - 1 <= y <= top + 1 and run.size >= _TINY
        if mode_of(text_object) == _INVISIBLE:
            suspects.append((run, True))
        elif colour_of(text_object, *at) and (min(colours[:3]) >= _WHITE or colours[3] == 0):
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
    grounds, images = [], []
    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    for item in page.get_objects(filter=(pdfium.FPDF_PAGEOBJ_PATH, pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_SHADING), max_depth=3):
        if item.type != pdfium.FPDF_PAGEOBJ_PATH:
            images.append(tuple(item.get_bounds()))
        elif pdfium.FPDFPageObj_GetFillColor(item.raw, red, green, blue, alpha) and min(red.value, green.value, blue.value) < _WHITE:
            mode, stroke = ctypes.c_int(), ctypes.c_int()
            pdfium.FPDFPath_GetDrawMode(item.raw, mode, stroke)
            if mode.value:
                grounds.append(tuple(item.get_bounds()))
    return grounds, images
