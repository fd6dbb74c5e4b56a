"""One module a format: `read(content, limits)` returns a title (may be empty), Markdown-like text, metadata and warnings.

Readers run in a process of their own (ingest/sandbox.py), for they take apart what others wrote, and a hostile file may need a
year or a terabyte. None is imported before a document needs it.
"""

from pathlib import PurePosixPath
from typing import NamedTuple

from kb_platform.ingest.formats.left_out import LeftOut
from kb_platform.knowledge.documents import Metadata


class Parsed(NamedTuple):
    """What a format's reader found. `warnings` are short sentences for the person who looks at the document.

    `left_out` is what the reader saw and did not take for a part of the document.
    """

    title: str
    text: str
    metadata: Metadata = {}
    warnings: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


class Format(NamedTuple):
    """Where a media type is read: module of this package, and the name for messages."""

    module: str
    name: str


FORMATS = {
    "text/markdown": Format("markdown", "Markdown"),
    "text/plain": Format("plain", "plain text"),
    "text/csv": Format("delimited", "CSV"),
    "text/html": Format("html", "HTML"),
    "application/pdf": Format("pdf", "PDF"),
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": Format("docx", "Word"),
    "application/xml": Format("jats", "JATS XML"),
    "message/rfc822": Format("mail", "e-mail"),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": Format("xlsx", "Excel"),
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": Format("pptx", "PowerPoint"),
}
MEDIA_TYPES = {
    ".md": "text/markdown", ".markdown": "text/markdown", ".txt": "text/plain", ".html": "text/html", ".htm": "text/html",
    ".pdf": "application/pdf", ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}
# Data and markup of any meaning come under these names, so that a source reads them only when it is told to.
EXTRA_MEDIA_TYPES = {
    ".csv": "text/csv", ".tsv": "text/csv", ".xml": "application/xml", ".eml": "message/rfc822",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}


def media_type_of(name: str) -> str:
    """Return the media type of a file name; `application/octet-stream` where no reader knows it."""
    suffix = PurePosixPath(name).suffix.lower()
    return MEDIA_TYPES.get(suffix) or EXTRA_MEDIA_TYPES.get(suffix) or "application/octet-stream"
