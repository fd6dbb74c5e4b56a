"""CSV and its cousins: a table. Rows may be of any length; the delimiter is found in the first lines."""

import csv
import io

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
    """Return the delimiter that cuts most of the first lines, and cuts them into the most cells."""
    lines = [line for line in text[: 1 << 16].splitlines()[:_SAMPLE_LINES] if line.strip()]
    return max(_DELIMITERS, key=lambda d: (sum(d in line for line in lines), sum(line.count(d) for line in lines)))
