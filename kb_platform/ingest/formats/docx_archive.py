"""The ZIP archive of an Office document, looked at before anything opens it: kind, parts, and what it would expand to.

The directory's sizes are checked first, then every XML part is expanded piece by piece against the same limits, for a directory
may lie. Nothing is kept.
"""

import io
import zipfile
import zlib

from kb_platform.ingest.decode import sniff
from kb_platform.ingest.limits import ParseLimits
from kb_platform.ingest.unreadable import DocumentUnreadable

MAIN_PART = "word/document.xml"
_STRICT = b"http://purl.oclc.org/ooxml/"
_SMALL = 1 << 20
_PIECE = 1 << 18


def check_archive(content: bytes, limits: ParseLimits, main: str = MAIN_PART, kind: str = "a Word document") -> None:
    """Return if the archive may be opened; `main` is the part that it must have, `kind` what it then is, for messages.

    Raises:
        DocumentUnreadable: no ZIP archive, truncated, encrypted, without the main part, or larger than the limits when expanded.
    """
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise DocumentUnreadable(f"encrypted, or in the old {'.doc' if main == MAIN_PART else 'binary'} format")
    if not content.startswith(b"PK"):
        raise DocumentUnreadable(f"holds {sniff(content) or 'something else'}, not {kind}")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check_directory(archive.infolist(), limits, main, kind)
            _check_parts(archive, limits)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError):  # zipfile raises the last for what it does not know
        raise DocumentUnreadable("truncated or damaged: not a complete ZIP archive") from None


def _check_directory(entries: list[zipfile.ZipInfo], limits: ParseLimits, main: str, kind: str) -> None:
    if sum(e.file_size for e in entries) > limits.archive_bytes:
        raise DocumentUnreadable(f"expands past {limits.archive_bytes >> 20} MiB: refused")
    if sum(e.file_size for e in entries if _is_xml(e)) > limits.xml_bytes:
        raise DocumentUnreadable(f"its XML expands past {limits.xml_bytes >> 20} MiB: refused")
    for entry in entries:
        if entry.flag_bits & 1:
            raise DocumentUnreadable("encrypted")
        if entry.file_size > _SMALL and entry.file_size > limits.ratio * max(entry.compress_size, 1):
            raise DocumentUnreadable(f"a part expands more than {limits.ratio} times: refused")
    if main not in {e.filename for e in entries}:
        raise DocumentUnreadable(f"part {main} is missing: not {kind}")


def _check_parts(archive: zipfile.ZipFile, limits: ParseLimits) -> None:
    left = limits.xml_bytes
    for entry in filter(_is_xml, archive.infolist()):
        with archive.open(entry) as part:
            first = True
            while piece := part.read(_PIECE):
                left -= len(piece)
                if left < 0:
                    raise DocumentUnreadable(f"its XML expands past {limits.xml_bytes >> 20} MiB: refused")
                if first and entry.filename == MAIN_PART and _STRICT in piece:
                    raise DocumentUnreadable("is Strict Open XML: save it as an ordinary Word document")
                first = False


def _is_xml(entry: zipfile.ZipInfo) -> bool:
    return entry.filename.lower().endswith((".xml", ".rels"))
