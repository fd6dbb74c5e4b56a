"""PDF by pdfium: the text that is painted on every page, in reading order, with ruled tables and filled forms.

Heads and feet that run through the pages would cut sentences in two: a head stays on its first page, a foot on its last.
"""

import re
from typing import Any

from kb_platform.ingest.decode import sniff
from kb_platform.ingest.formats import Parsed
from kb_platform.ingest.formats.left_out import LeftOuts
from kb_platform.ingest.formats.pdf_calls import opened
from kb_platform.ingest.formats.pdf_forms import fill_in
from kb_platform.ingest.formats.pdf_lines import Segment, in_reading_order, lines_of, write_marks
from kb_platform.ingest.formats.pdf_pages import PageLines, joined_pages
from kb_platform.ingest.formats.pdf_rules import Grid, grids
from kb_platform.ingest.formats.pdf_runs import Run, page_runs
from kb_platform.ingest.formats.pdf_words import joined_words
from kb_platform.ingest.formats.tables import spanning_table
from kb_platform.ingest.limits import ParseLimits
from kb_platform.ingest.unreadable import DocumentUnreadable

_HEAD = 1024  # the header may stand anywhere in here
_TAIL = 2048
_FILE_NAME = re.compile(r"\s*(?:microsoft \w+ - .*|untitled.*|.*\.(?:docx?|pdf|tex|dvi|indd|qxd|pptx?|xlsx?))\s*", re.IGNORECASE)


def read(content: bytes, limits: ParseLimits) -> Parsed:
    """Return the title that the file declares (unless that is a file name) and the text of all pages.

    Raises:
        DocumentUnreadable: encrypted, truncated, damaged, or without a text layer.
    """
    import pypdfium2 as pdfium

    if b"%PDF-" not in content[:_HEAD]:
        raise DocumentUnreadable(f"holds {sniff(content) or 'something else'}, not a PDF")
    try:
        document = pdfium.PdfDocument(content)
    except pdfium.PdfiumError as error:
        raise DocumentUnreadable(_why_not(error, content)) from None
    left_out = LeftOuts()
    try:
        form = _form(document)
        pages = [_page_lines(document, number, form, left_out) for number in range(len(document))]
        title = document.get_metadata_dict().get("Title", "")
    except pdfium.PdfiumError:
        raise DocumentUnreadable("damaged PDF: a page cannot be loaded") from None
    finally:
        document.close()
    text = joined_words(joined_pages(pages, left_out))
    if not any(c.isalnum() for c in text):
        raise DocumentUnreadable(f"no text on {len(pages)} page{'s' * (len(pages) != 1)} (scanned?)")
    warnings = () if _is_complete(content) else ("the PDF has no end mark: it may be truncated",)
    return Parsed("" if _FILE_NAME.fullmatch(title) else title, text, warnings=warnings, left_out=left_out.entries())


def _form(document: Any) -> Any:
    """Return the handle of the document's form, None where there is none. It dies with the document."""
    if not document.get_formtype():
        return None
    document.init_forms()
    return document.formenv


def _page_lines(document: Any, number: int, form: Any, left_out: LeftOuts) -> PageLines:
    with opened(document, number) as (page, text_page):
        bounds = _bounds(page)
        runs = page_runs(page, text_page, bounds)
        for run in runs:
            if not run.shown:
                left_out.add("hidden", run.text)
        lines = _lines([run for run in runs if run.shown], page)
        if form is not None:
            fill_in(page, form, lines)
        return PageLines(lines, bounds[1], bounds[3])


def _bounds(page: Any) -> tuple[float, float, float, float]:
    import pypdfium2.raw as pdfium

    box = pdfium.FS_RECTF()
    pdfium.FPDF_GetPageBoundingBox(page, box)
    return box.left, box.bottom, box.right, box.top


def _lines(runs: list[Run], page: Any) -> list[Segment]:
    """Return the lines of a page; a table is one of them, where its first run stands."""
    write_marks(runs)
    parts: list[Segment] = []
    loose: list[Run] = []
    tables = grids(page) if runs else []
    if not tables:
        return in_reading_order(lines_of(runs))
    written: list[Grid] = []
    for run in runs:
        grid = next((table for table in tables if table.holds(run)), None)
        if grid is None:
            loose.append(run)
        elif not any(grid is one for one in written):
            written.append(grid)
            held = [(r, joined_words((" " if r.gap else "") + r.text)) for r in runs if grid.holds(r)]
            table = spanning_table(grid.rows(held))
            parts += [*in_reading_order(lines_of(loose)), Segment(f"\n{table}\n", run.x0, run.x1, run.y, run.size)]
            loose = []
    return parts + in_reading_order(lines_of(loose))


def _why_not(error: Exception, content: bytes) -> str:
    if "password" in str(error).lower():
        return "encrypted: it opens with a password only"
    return "damaged PDF" if _is_complete(content) else "truncated PDF"


def _is_complete(content: bytes) -> bool:
    return b"%%EOF" in content[-_TAIL:]
