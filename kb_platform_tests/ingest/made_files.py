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


def pdf(*lines: str, title: str = "", stream: bytes | None = None, form: bytes = b"") -> bytes:
    """Return a PDF of one page; `stream` replaces the page's drawing instructions, and may draw the form `/X`."""
    shown = b" ".join(b"(" + line.encode("latin-1") + b") Tj T*" for line in lines)
    drawing = stream if stream is not None else b"BT /F1 12 Tf 14 TL 72 700 Td " + shown + b" ET"
    packed = zlib.compress(drawing)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> /XObject << /X 7 0 R >> >> >>",
        b"<< /Length %d /Filter /FlateDecode >> stream\n%s\nendstream" % (len(packed), packed),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Title (%s) >>" % title.encode("latin-1"),
        b"<< /Type /XObject /Subtype /Form /BBox [0 0 612 792] /Resources << /Font << /F1 5 0 R >> >> /Length %d >> stream\n%s\nendstream" % (len(form), form),
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


def pdf_of_pages(*streams: bytes, fields: tuple[str, ...] = ()) -> bytes:
    """Return a PDF with a page for each of these drawings; `fields` are the annotations of the first page, and its form's fields."""
    first = 5 + 2 * len(streams)
    named = " ".join(f"{first + n} 0 R" for n in range(len(fields)))
    form = f"/AcroForm << /Fields [{named}] /DA (/F1 11 Tf) >>" if fields else ""
    kids = " ".join(f"{5 + 2 * n} 0 R" for n in range(len(streams)))
    objects = [f"<< /Type /Catalog /Pages 2 0 R {form} >>".encode(), f"<< /Type /Pages /Kids [{kids}] /Count {len(streams)} >>".encode(),
               b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>", b"<< >>"]
    for n, stream in enumerate(streams):
        annotations = f"/Annots [{named}]" if fields and not n else ""
        objects.append(f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] {annotations} /Contents {6 + 2 * n} 0 R "
                       "/Resources << /Font << /F1 3 0 R >> >> >>".encode())
        objects.append(b"<< /Length %d >> stream\n%s\nendstream" % (len(stream), stream))
    objects += [field.replace("5 0 R", "4 0 R").encode() for field in fields]
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    start = len(out)
    return out + b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table) + (
        b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start))


RELATED = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_RELATIONS = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{}</Relationships>'
_RELATION = '<Relationship Id="{}" Type="' + RELATED + '/{}" Target="{}"/>'


def archive(parts: dict[str, str]) -> bytes:
    """Return a ZIP archive of texts."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as written:
        for name, text in parts.items():
            written.writestr(name, text)
    return out.getvalue()


def workbook(sheets: dict[str, list[list[str]]], more: str = "", state: str = "visible", styles: str = "", rows: str = "") -> bytes:
    """Return an Excel workbook of inline strings; what begins with < is a cell's XML. `more` ends each sheet, `state` is that of the last."""
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    parts, entries, relations = {}, "", _RELATION.format("s", "styles", "styles.xml")
    for n, (name, cells) in enumerate(sheets.items(), 1):
        data = "".join(f'<row r="{r}">' + "".join(
            text.replace("<c ", f'<c r="{chr(64 + c)}{r}" ') if text.startswith("<c ") else
            f'<c r="{chr(64 + c)}{r}" t="inlineStr"><is><t>{text}</t></is></c>' for c, text in enumerate(row, 1)) + "</row>" for r, row in enumerate(cells, 1))
        parts[f"xl/worksheets/sheet{n}.xml"] = f"<worksheet {space}>{rows}<sheetData>{data}</sheetData>{more}</worksheet>"
        entries += f'<sheet name="{name}" sheetId="{n}" r:id="rId{n}" state="{state if n == len(sheets) else "visible"}"/>'
        relations += _RELATION.format(f"rId{n}", "worksheet", f"worksheets/sheet{n}.xml")
    parts["xl/workbook.xml"] = f'<workbook {space} xmlns:r="{RELATED}"><sheets>{entries}</sheets></workbook>'
    parts["xl/_rels/workbook.xml.rels"] = _RELATIONS.format(relations)
    parts["xl/styles.xml"] = f"<styleSheet {space}>{styles}</styleSheet>"
    return archive(parts)


def slides(texts: list[list[str]], show: str = "1") -> bytes:
    """Return a PowerPoint file; the first text of a slide is its title, and what begins with < is a shape's XML. `show` is the last one's."""
    spaces = (f'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" xmlns:r="{RELATED}" '
              'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"')
    parts, entries, relations = {}, "", ""
    for n, shapes in enumerate(texts, 1):
        made = "".join(text if text.startswith("<p:") else f'<p:sp><p:nvSpPr><p:cNvPr id="1" name="x"/><p:nvPr>{"" if k else TITLE}</p:nvPr></p:nvSpPr>'
                       f"<p:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp>" for k, text in enumerate(shapes))
        shown = f'show="{show}"' if n == len(texts) else ""
        parts[f"ppt/slides/slide{n}.xml"] = f"<p:sld {spaces} {shown}><p:cSld><p:spTree>{made}</p:spTree></p:cSld></p:sld>"
        entries += f'<p:sldId id="{255 + n}" r:id="rId{n}"/>'
        relations += _RELATION.format(f"rId{n}", "slide", f"slides/slide{n}.xml")
    parts["ppt/presentation.xml"] = f"<p:presentation {spaces}><p:sldIdLst>{entries}</p:sldIdLst></p:presentation>"
    parts["ppt/_rels/presentation.xml.rels"] = _RELATIONS.format(relations)
    return archive(parts)


TITLE = '<p:ph type="title"/>'
