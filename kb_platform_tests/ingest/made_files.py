"""Files that no repository should hold: made when a test needs them."""

import io
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import docx

from kb_platform.ingest.formats import media_type_of
from kb_platform.knowledge.documents import Document, RawDocument

Parse = Callable[..., Document]


def raw(name: str, content: bytes | str, **more: Any) -> RawDocument:
    """Return a delivered file whose media type is that of its name."""
    data = content.encode() if isinstance(content, str) else content
    return RawDocument(name, data, media_type_of(name), name, **more)


def pdf(*lines: str, title: str = "", stream: bytes | None = None) -> bytes:
    """Return a PDF of one page; `stream` replaces the page's drawing instructions."""
    shown = b" ".join(b"(" + line.encode("latin-1") + b") Tj T*" for line in lines)
    drawing = stream if stream is not None else b"BT /F1 12 Tf 14 TL 72 700 Td " + shown + b" ET"
    packed = zlib.compress(drawing)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d /Filter /FlateDecode >> stream\n%s\nendstream" % (len(packed), packed),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Title (%s) >>" % title.encode("latin-1"),
    ]
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    trailer = b"trailer << /Size %d /Root 1 0 R /Info 6 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(out))
    return out + b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table) + trailer


def word(fill: Callable[[Any], object]) -> bytes:
    """Return a Word document; `fill` gets python-docx's document."""
    document = docx.Document()
    document.core_properties.title = ""
    fill(document)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def with_body(content: bytes, change: Callable[[str], str]) -> bytes:
    """Return the Word document with the XML of its body changed."""
    return with_part(content, "word/document.xml", lambda data: change(data.decode()).encode())


def with_part(content: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    """Return the archive with one part changed; one that is not there is made of nothing."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            data = old.read(entry)
            new.writestr(entry.filename, change(data) if entry.filename == name else data)
        if name not in old.namelist():
            new.writestr(name, change(b""))
    return out.getvalue()
