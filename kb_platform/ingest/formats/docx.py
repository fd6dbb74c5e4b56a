"""Word documents: the body in order, as Markdown, then its notes.

python-docx opens the package; the body is walked as XML, because python-docx's own paragraphs leave out what stands in content
controls, accepted insertions and text boxes, all of which are common in clinical templates. Left out on purpose: deleted and
hidden text (counted), comments, headers and footers.
"""

import io
import zipfile
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from kb_platform.ingest.formats import Parsed
from kb_platform.ingest.formats.docx_archive import check_archive
from kb_platform.ingest.formats.docx_names import MC, WRAPPERS, W, is_on, value
from kb_platform.ingest.formats.docx_numbering import BULLET, Numberings
from kb_platform.ingest.formats.docx_styles import Properties, Styles, paragraph_properties
from kb_platform.ingest.formats.docx_text import Runs
from kb_platform.ingest.formats.left_out import LeftOuts
from kb_platform.ingest.formats.lists import tight_lists
from kb_platform.ingest.formats.symbols import UNKNOWN
from kb_platform.ingest.formats.tables import Cell, spanning_table
from kb_platform.ingest.limits import ParseLimits
from kb_platform.ingest.unreadable import DocumentUnreadable

_MOST_DEPTH = 8
_MADE_UP = "Word Document"  # what python-docx calls a document without properties, and what those are called that it has saved


def read(content: bytes, limits: ParseLimits) -> Parsed:
    """Return the core title, or that of the first heading, and the body.

    Raises:
        DocumentUnreadable: encrypted, truncated, no Word document, malformed, or larger than the limits when expanded.
    """
    import docx
    from docx.opc.exceptions import OpcError
    from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  a compiled module without types

    check_archive(content, limits)
    try:
        body = _Body(docx.Document(io.BytesIO(content)))
        lines = [*body.lines(), *body.notes()]
        title = body.document.core_properties.title.strip()
    except etree.XMLSyntaxError:
        raise DocumentUnreadable("malformed XML in it") from None
    except (KeyError, ValueError, AttributeError, OpcError, zipfile.BadZipFile):
        raise DocumentUnreadable("damaged, or not a Word document") from None
    heading = next((line.lstrip("# ") for line in lines if line.startswith("#")), "")
    unknown = body.runs.unknown
    warnings = (f"{unknown} symbols of unknown meaning are shown as {UNKNOWN}",) if unknown else ()
    return Parsed(heading if title in ("", _MADE_UP) else title, tight_lists("\n\n".join(lines)), warnings=warnings, left_out=body.left_out.entries())


class _Body:
    """Walks the body of one document."""

    def __init__(self, document: Any) -> None:
        self.document, self.left_out = document, LeftOuts()
        self.parts = {rel.reltype.rsplit("/", 1)[-1]: rel.target_part for rel in document.part.rels.values() if not rel.is_external}
        self.styles = Styles(document.styles.element)
        self.runs = Runs(self.styles, self.left_out)

    @cached_property
    def numberings(self) -> Numberings:
        """The numberings, read when a paragraph is numbered."""
        return Numberings(self._root("numbering"))

    def _root(self, kind: str) -> Any:
        from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  a compiled module without types

        part = self.parts.get(kind)
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
        return etree.fromstring(part.blob, parser) if part is not None and part.blob.strip() else None

    def lines(self) -> Iterator[str]:
        yield from self._blocks(self.document.element.body, boxed=False)

    def notes(self) -> Iterator[str]:
        """Yield the notes whose marks were read, under their numbers."""
        roots = {kind: self._root(kind) for kind in ("footnotes", "endnotes")}
        texts = {(kind, note.get(f"{W}id")): note for kind, root in roots.items() if root is not None for note in root}
        for number, key in enumerate(list(self.runs.notes), 1):
            if (note := texts.get(key)) is not None:
                words = " ".join(self.runs.text(p).strip() for p in note.iter(f"{W}p"))
                if words.strip():
                    yield f"[{number}] {words.strip()}"

    def _blocks(self, parent: Any, *, boxed: bool) -> Iterator[str]:
        for child in parent:
            if child.tag == f"{W}p":
                if line := self._paragraph(child, boxed=boxed):
                    yield line
                for box in child.iter(f"{W}txbxContent"):
                    if not any(a.tag in (f"{MC}Fallback", f"{W}txbxContent") for a in _between(box, child)):
                        yield from self._blocks(box, boxed=True)
            elif child.tag == f"{W}tbl":
                if text := self._table(child):
                    yield text
            elif child.tag in WRAPPERS:
                yield from self._blocks(child, boxed=boxed)

    def _properties(self, paragraph: Any) -> tuple[Properties, str]:
        own = paragraph.find(f"{W}pPr")
        style = "" if own is None else value(own.find(f"{W}pStyle"))
        return paragraph_properties(own).over(self.styles.of_paragraph(style)), style

    def _paragraph(self, paragraph: Any, *, boxed: bool) -> str:
        properties, style = self._properties(paragraph)
        own = paragraph.find(f"{W}pPr")
        ground = boxed or own is not None and own.find(f"{W}shd") is not None
        text = self.runs.text(paragraph, properties, on_ground=ground).strip()
        label = self._label(paragraph, properties, style, text)
        if not text:
            return ""
        if properties.level:
            return f"{'#' * min(properties.level, 6)} {' '.join([label.strip('-'), *text.split()]).strip()}"
        if not label:
            return text
        return f"{'  ' * min(properties.depth or 0, _MOST_DEPTH)}{label} {text}"

    def _label(self, paragraph: Any, properties: Properties, style: str, text: str) -> str:
        """Return what stands in front of a paragraph on the page; an empty one counts, one that is gone does not."""
        own = paragraph.find(f"{W}pPr")
        mark = None if text or own is None else own.find(f"{W}rPr")
        if not text and (properties.hidden or mark is not None and (mark.find(f"{W}del") is not None or is_on(mark.find(f"{W}vanish")))):
            return ""
        own = own is not None and own.find(f"{W}numPr") is not None
        if properties.numbering and properties.numbering != "0":
            return self.numberings.label(properties.numbering, properties.depth or 0, "" if own else style) or (BULLET if own else "")
        return BULLET if style.startswith("List") and properties.numbering is None else ""

    def _table(self, table: Any) -> str:
        rows: list[list[Cell]] = []
        open_cells: dict[int, tuple[int, int]] = {}  # column -> row and place of the cell that a merge continues
        head = 0
        for row in _through(table, f"{W}tr"):
            if row.find(f"{W}trPr/{W}del") is not None or is_on(row.find(f"{W}trPr/{W}hidden")):
                self.left_out.add("deleted in tracked changes", "".join(t.text or "" for t in row.iter(f"{W}t", f"{W}delText")))
                continue
            head += bool(is_on(row.find(f"{W}trPr/{W}tblHeader"))) and head == len(rows)
            rows.append(self._row(row, rows, open_cells))
        return spanning_table(rows, head)

    def _row(self, row: Any, rows: list[list[Cell]], open_cells: dict[int, tuple[int, int]]) -> list[Cell]:
        cells: list[Cell] = []
        column = _whole(value(row.find(f"{W}trPr/{W}gridBefore")), 0)
        cells += [Cell("")] * column
        for cell in _through(row, f"{W}tc"):
            properties = cell.find(f"{W}tcPr")
            merge = None if properties is None else properties.find(f"{W}vMerge")
            span = 1 if properties is None else max(_whole(value(properties.find(f"{W}gridSpan")), 1), 1)
            if merge is not None and value(merge) != "restart" and column in open_cells:
                at, place = open_cells[column]
                rows[at][place] = rows[at][place]._replace(rows=len(rows) - at + 1)
            else:
                if properties is not None and properties.find(f"{W}cellDel") is not None:
                    self.left_out.add("deleted in tracked changes", "".join(t.text or "" for t in cell.iter(f"{W}t", f"{W}delText")))
                    text = ""
                else:
                    text = " ".join(self._cell_lines(cell))
                open_cells[column] = (len(rows), len(cells))
                cells.append(Cell(text, span))
            column += span
        return cells

    def _cell_lines(self, cell: Any) -> Iterator[str]:
        """Yield the paragraphs of a cell; a table in a cell is that cell's text."""
        for paragraph in cell.iter(f"{W}p"):
            properties, style = self._properties(paragraph)
            text = self.runs.text(paragraph, properties, on_ground=True).strip()
            label = self._label(paragraph, properties, style, text)
            if text:
                yield text if label in ("", BULLET) else f"{label} {text}"


def _between(element: Any, top: Any) -> Iterator[Any]:
    for ancestor in element.iterancestors():
        if ancestor is top:
            return
        yield ancestor


def _through(parent: Any, tag: str) -> Iterator[Any]:
    for child in parent:
        if child.tag == tag:
            yield child
        elif child.tag in WRAPPERS:
            yield from _through(child, tag)


def _whole(text: str, default: int) -> int:
    return min(int(text), 256) if text.isdigit() else default
