"""The runs of text of a PDF page: what one drawing instruction shows, where it stands, and whether anybody sees it.

pdfium gives characters in reading order and lays out spaces and line ends; asking it about every character is slow in Python, so that
only the first and the last one of each run are asked for.
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

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

    @property
    def middle(self) -> tuple[float, float]:
        """Return the middle of the run."""
        return (self.x0 + self.x1) / 2, self.y + self.size / 3


def page_runs(page: Any, text_page: Any) -> list[Run]:
    """Return the runs of a page in pdfium's reading order."""
    import pypdfium2.raw as pdfium

    count, handle_at = pdfium.FPDFText_CountChars(text_page), _handles()
    raw = ctypes.cast(text_page.raw, ctypes.c_void_p).value
    whole = text_page.get_text_range(0, count) if count else ""
    is_whole = len(whole) == count  # else there are characters without text, or beyond the first plane
    runs: list[Run] = []
    handles: list[Any] = []
    gap, start = "", 0
    while start < count:
        handle = handle_at(raw, start)
        end = _end_of_run(handle_at, raw, handle, start, count)
        text = whole[start:end] if is_whole else text_page.get_text_range(start, end - start)
        if not handle or text.isspace() or not text:
            gap += text
        else:
            runs.append(_run(pdfium, text_page, text, start, end, gap))
            handles.append(ctypes.cast(handle, pdfium.FPDF_PAGEOBJECT))
            gap = ""
        start = end
    _mark_unseen(pdfium, page, runs, handles)
    return runs


@cache
def _handles() -> Callable[[int | None, int], int | None]:
    """Return pdfium's function from a character to its text object, as a number: no pointer is made for each answer."""
    import pypdfium2.raw as pdfium

    address = ctypes.cast(pdfium.FPDFText_GetTextObject, ctypes.c_void_p).value
    return ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)(address or 0)


def _end_of_run(handle_at: Callable[[int | None, int], int | None], raw: int | None, own: int | None, start: int, count: int) -> int:
    """Return the first character of another object: by strides that double, then by halves."""
    low, step = start, 2 if own is None else 16
    while low + step < count and handle_at(raw, low + step) == own:
        low += step
        step *= 2
    high = min(low + step, count)
    while high - low > 1:
        middle = (low + high) // 2
        if handle_at(raw, middle) == own:
            low = middle
        else:
            high = middle
    return high


def _run(pdfium: Any, text_page: Any, text: str, start: int, end: int, gap: str) -> Run:
    x, y, left, right, bottom, top = (ctypes.c_double() for _ in range(6))
    pdfium.FPDFText_GetCharOrigin(text_page, start, x, y)
    last = end - 1 - (len(text) - len(text.rstrip())) if len(text) == end - start else end - 1
    pdfium.FPDFText_GetCharBox(text_page, last, left, right, bottom, top)
    matrix = pdfium.FS_MATRIX()
    pdfium.FPDFText_GetMatrix(text_page, start, matrix)
    size = pdfium.FPDFText_GetFontSize(text_page, start) * (abs(matrix.d) or abs(matrix.b) or 1.0)
    return Run(text, x.value, max(right.value, x.value), y.value, size, gap)


def _mark_unseen(pdfium: Any, page: Any, runs: list[Run], handles: list[Any]) -> None:
    left, bottom, right, top = page.get_bbox()
    suspects: list[tuple[Run, bool]] = []  # and whether it is invisible, not white
    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    for run, handle in zip(runs, handles, strict=True):
        x, y = run.middle
        run.shown = left - 1 <= x <= right + 1 and bottom - 1 <= y <= top + 1 and run.size >= _TINY
        if pdfium.FPDFTextObj_GetTextRenderMode(handle) == _INVISIBLE:
            suspects.append((run, True))
        elif pdfium.FPDFPageObj_GetFillColor(handle, red, green, blue, alpha) and (
            min(red.value, green.value, blue.value) >= _WHITE or alpha.value == 0
        ):
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
