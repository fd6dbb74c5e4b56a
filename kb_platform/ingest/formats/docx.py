"""Word documents: paragraphs and tables in the order of the body. A decompression bomb is refused before it is opened."""

import io
import zipfile

from kb_platform.ingest.clean import DocumentUnreadable
from kb_platform.ingest.formats import Parsed

MAX_EXPANDED = 30 << 20
MAX_RATIO = 300


def read(content: bytes) -> Parsed:
    """Return the core title and the body's text.

    Raises:
        DocumentUnreadable: encrypted, truncated, no Word document, or larger than 30 MiB when expanded.
    """
    import docx
    from docx.table import Table

    _check_archive(content)
    try:
        document = docx.Document(io.BytesIO(content))
        lines = [line for block in document.iter_inner_content() for line in (_rows(block) if isinstance(block, Table) else [_line(block)])]
    except Exception as error:  # python-docx lets KeyError, ValueError and lxml's errors through
        raise DocumentUnreadable("damaged or no Word document") from error
    return Parsed(document.core_properties.title or "", "\n\n".join(line for line in lines if line.strip()))


def _check_archive(content: bytes) -> None:
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise DocumentUnreadable("encrypted, or the old .doc format")
    try:
        entries = zipfile.ZipFile(io.BytesIO(content)).infolist()
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise DocumentUnreadable("truncated or no Word document") from error
    expanded = sum(entry.file_size for entry in entries)
    if expanded > MAX_EXPANDED or expanded > MAX_RATIO * max(len(content), 1 << 14):
        raise DocumentUnreadable(f"expands to {expanded >> 20} MiB: refused")


def _line(paragraph) -> str:  # noqa: ANN001  docx is imported lazily
    style = (paragraph.style.name or "") if paragraph.style is not None else ""
    if style.startswith("Heading ") and style[8:].isdigit() and paragraph.text.strip():
        return f"{'#' * min(int(style[8:]), 6)} {paragraph.text.strip()}"
    return f"- {paragraph.text.strip()}" if style.startswith("List") and paragraph.text.strip() else paragraph.text


def _rows(table) -> list[str]:  # noqa: ANN001
    return ["\n".join(" | ".join(dict.fromkeys(" ".join(cell.text.split()) for cell in row.cells)) for row in table.rows)]
