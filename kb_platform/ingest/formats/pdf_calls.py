"""Calls of pdfium by the thousand: asked for every run of text and every stroke, so that what stands around a call is what costs.

pypdfium2's own functions check types, and its objects carry finalizers; these take what ctypes has made before, and give numbers.
"""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_DEEPEST = 2  # forms in forms


@cache
def function(name: str, result: Any) -> Callable[..., Any]:
    """Return a function of pdfium's that takes what ctypes has made before."""
    import pypdfium2.raw as pdfium

    return ctypes.PYFUNCTYPE(result)(ctypes.cast(getattr(pdfium, name), ctypes.c_void_p).value or 0)


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


def objects_of(page: Any, kinds: tuple[int, ...], form: Any = None, level: int = 0) -> Iterator[tuple[int, ctypes.c_void_p]]:
    """Yield kind and handle of the objects of a page, and of the forms in it, that are of these kinds."""
    import pypdfium2.raw as pdfium

    of = "Page" if form is None else "FormObj"  # functions of both take a handle
    held = ctypes.cast(page, ctypes.c_void_p) if form is None else form
    count = function(f"FPDF{of}_CountObjects", ctypes.c_int)(held)
    item_at, kind_of = function(f"FPDF{of}_GetObject", ctypes.c_void_p), function("FPDFPageObj_GetType", ctypes.c_int)
    for n in range(count):
        item = ctypes.c_void_p(item_at(held, ctypes.c_ulong(n)))
        kind = kind_of(item)
        if kind in kinds:
            yield kind, item
        if kind == pdfium.FPDF_PAGEOBJ_FORM and level < _DEEPEST:
            yield from objects_of(page, kinds, item, level + 1)
