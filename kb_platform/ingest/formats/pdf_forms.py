"""What is filled into the form of a PDF: values of fields and states of boxes, beside the line that they stand on."""

import ctypes
from typing import Any

from kb_platform.ingest.formats.pdf_lines import Segment

_LENGTH = 4096  # code units of a value


def fill_in(page: Any, form: Any, lines: list[Segment]) -> None:
    """Add the values of a page's fields to its lines; one without a line beside it gets a line, with its name."""
    import pypdfium2.raw as pdfium

    for n in range(pdfium.FPDFPage_GetAnnotCount(page)):
        annotation = pdfium.FPDFPage_GetAnnot(page, n)
        if not annotation:
            continue
        try:
            if pdfium.FPDFAnnot_GetSubtype(annotation) == pdfium.FPDF_ANNOT_WIDGET:
                _fill(pdfium, annotation, form, lines)
        finally:
            pdfium.FPDFPage_CloseAnnot(annotation)


def _fill(pdfium: Any, annotation: Any, form: Any, lines: list[Segment]) -> None:
    kind, value = pdfium.FPDFAnnot_GetFormFieldType(form, annotation), ""
    if kind in (pdfium.FPDF_FORMFIELD_CHECKBOX, pdfium.FPDF_FORMFIELD_RADIOBUTTON):
        value = "☒" if pdfium.FPDFAnnot_IsChecked(form, annotation) else "☐"
    elif kind in (pdfium.FPDF_FORMFIELD_TEXTFIELD, pdfium.FPDF_FORMFIELD_COMBOBOX, pdfium.FPDF_FORMFIELD_LISTBOX):
        value = _text(pdfium.FPDFAnnot_GetFormFieldValue, form, annotation)
    box = pdfium.FS_RECTF()
    if not value.strip() or not pdfium.FPDFAnnot_GetRect(annotation, box):
        return
    middle = (box.top + box.bottom) / 2
    beside = [line for line in lines if min(box.bottom, box.top) - 2 <= line.y + line.size / 3 <= max(box.bottom, box.top) + 2]
    if not beside:
        name = _text(pdfium.FPDFAnnot_GetFormFieldAlternateName, form, annotation) or _text(pdfium.FPDFAnnot_GetFormFieldName, form, annotation)
        at = next((n for n, line in enumerate(lines) if line.y < middle), len(lines))
        lines.insert(at, Segment(f"{name}: {value}" if name else value, box.left, box.right, middle, abs(box.top - box.bottom)))
        return
    line = min(beside, key=lambda s: abs(s.x1 - box.left))
    line.text = f"{value} {line.text}" if box.right <= line.x0 + 1 else f"{line.text} {value}"
    line.x1 = max(line.x1, box.right)


def _text(ask: Any, form: Any, annotation: Any) -> str:
    """Return a string of pdfium's: UTF-16LE in bytes that it counts itself, the NUL at the end included."""
    size = ask(form, annotation, None, 0)
    if size <= 2:
        return ""
    buffer = ctypes.create_string_buffer(min(size, 2 * _LENGTH))
    ask(form, annotation, ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort)), len(buffer))
    return buffer.raw.decode("utf-16-le", errors="replace").split("\0", 1)[0].strip()
