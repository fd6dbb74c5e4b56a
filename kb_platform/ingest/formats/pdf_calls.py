"""Calls of pdfium by the thousand: asked for every run of text and every stroke, so that what stands around a call is what costs.

pypdfium2's own functions check types, and its objects carry finalizers; these take what ctypes has made before, and give numbers.
"""

import ctypes
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

_DEEPEST = 2  # forms in forms

Matrix = tuple[float, float, float, float, float, float]
SAME: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


@cache
def function(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    """Return a function of pdfium's that takes what ctypes has made before, or, of kinds that are named, Python's numbers."""
    import pypdfium2.raw as pdfium

    return ctypes.PYFUNCTYPE(result, *arguments)(ctypes.cast(getattr(pdfium, name), ctypes.c_void_p).value or 0)


class Numbers:
    """A place for numbers that pdfium writes: `at` are the addresses to give it."""

    def __init__(self, kind: Any, count: int) -> None:
        """Take room for so many numbers of a kind of ctypes."""
        self.values = (kind * count)()
        self.at = tuple(ctypes.byref(self.values, n * ctypes.sizeof(kind)) for n in range(count))


@contextmanager
def opened(document: Any, number: int) -> Iterator[tuple[Any, Any]]:
    """Give handles of a page and of its text, without the finalizers that pypdfium2 puts around each.

    Raises:
        pypdfium2.PdfiumError: the page cannot be loaded.
    """
    import pypdfium2
    import pypdfium2.raw as pdfium

    page = pdfium.FPDF_LoadPage(document, number)
    if not page:
        raise pypdfium2.PdfiumError("Failed to load page.")
    form, text = document.formenv, None
    try:
        if form is not None:
            pdfium.FORM_OnAfterLoadPage(page, form)
        text = pdfium.FPDFText_LoadPage(page)
        if not text:
            raise pypdfium2.PdfiumError("Failed to load text page.")
        yield page, text
    finally:
        if text:
            pdfium.FPDFText_ClosePage(text)
        if form is not None:
            pdfium.FORM_OnBeforeClosePage(page, form)
        pdfium.FPDF_ClosePage(page)


def objects_of(
    page: Any, kinds: tuple[int, ...], form: Any = None, to_page: Matrix = SAME, level: int = 0
) -> Iterator[tuple[int, ctypes.c_void_p, Matrix]]:
    """Yield kind and handle of the objects of a page, and of the forms in it, that are of these kinds; and how their places become the page's."""
    import pypdfium2.raw as pdfium

    of = "Page" if form is None else "FormObj"  # functions of both take a handle
    held = (ctypes.cast(page, ctypes.c_void_p) if form is None else form).value
    count = function(f"FPDF{of}_CountObjects", ctypes.c_int, ctypes.c_void_p)(held)
    item_at = function(f"FPDF{of}_GetObject", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ulong)
    kind_of = function("FPDFPageObj_GetType", ctypes.c_int, ctypes.c_void_p)
    for n in range(count):
        kind = kind_of(handle := item_at(held, n))
        if kind in kinds:
            yield kind, ctypes.c_void_p(handle), to_page
        if kind == pdfium.FPDF_PAGEOBJ_FORM and level < _DEEPEST:
            item = ctypes.c_void_p(handle)
            yield from objects_of(page, kinds, item, product(matrix_of(item), to_page), level + 1)


def matrix_of(item: ctypes.c_void_p) -> Matrix:
    """Return what an object's own coordinates are multiplied by."""
    matrix = Numbers(ctypes.c_float, 6)
    function("FPDFPageObj_GetMatrix", ctypes.c_int)(item, matrix.at[0])
    return tuple(matrix.values)


def product(first: Matrix, then: Matrix) -> Matrix:
    """Return the matrix that does what one does, and then what another does."""
    if then is SAME:
        return first
    a, b, c, d, e, f = first
    p, q, r, s, x, y = then
    return a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s, e * p + f * r + x, e * q + f * s + y


def box_of(values: Sequence[float], to_page: Matrix) -> tuple[float, float, float, float]:
    """Return the box on the page (left, bottom, right, top) around a box with this matrix."""
    left, bottom, right, top = values
    if to_page is SAME:
        return left, bottom, right, top
    a, b, c, d, e, f = to_page
    corners = [(a * x + c * y + e, b * x + d * y + f) for x in (left, right) for y in (bottom, top)]
    xs, ys = zip(*corners, strict=True)
    return min(xs), min(ys), max(xs), max(ys)
