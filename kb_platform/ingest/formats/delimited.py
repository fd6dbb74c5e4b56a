"""CSV and its cousins: a table. Rows may be of any length; the delimiter is found in the first lines."""

import csv
import io
from collections import Counter

from kb_platform.ingest.decode import decode
from kb_platform.ingest.formats import Parsed
from kb_platform.ingest.formats.tables import table_lines
from kb_platform.ingest.limits import ParseLimits
from kb_platform.ingest.unreadable import DocumentUnreadable

_DELIMITERS = ",;\t|"
_SAMPLE_LINES = 20


def read(content: bytes, limits: ParseLimits) -> Parsed:
    """Return the table.

    Raises:
        DocumentUnreadable: no text, or a cell larger than the csv module's 128 KiB (a quote that is never closed).
    """
    text, warning = decode(content)
    try:
        rows = list(csv.reader(io.StringIO(text.replace("\0", ""), newline=""), delimiter=_delimiter(text)))
    except csv.Error:
        raise DocumentUnreadable("broken CSV: a quotation mark is not closed, or a cell is larger than 128 KiB") from None
    return Parsed("", "\n".join(table_lines(rows)), warnings=(warning,) if warning else ())


def _delimiter(text: str) -> str:
    """Return the delimiter that cuts most of the first lines, most of them alike, and into the most cells: 0,125 is a number."""
    lines = [line for line in text[: 1 << 16].splitlines()[:_SAMPLE_LINES] if line.strip()]
    return max(_DELIMITERS, key=lambda delimiter: _fit(lines, delimiter))


def _fit(lines: list[str], delimiter: str) -> tuple[int, int, int]:
    try:
        widths = Counter(len(row) for row in csv.reader(lines, delimiter=delimiter) if len(row) > 1)
    except csv.Error:
        return 0, 0, 0
    width, alike = max(widths.items(), key=lambda found: (found[1], found[0]), default=(0, 0))
    return widths.total(), alike, width
