"""Word documents: the body in order, as Markdown.

python-docx opens the package and knows its styles; the body is walked as XML, because python-docx's own paragraphs leave out
what stands in content controls, accepted insertions and text boxes, all of which are common in clinical templates. Left out on
purpose: deleted and hidden text, comments, headers, footers and footnotes.
"""

import io
import re
import zipfile
from collections.abc import Iterator
from typing import Any

from kb_platform.ingest.formats import Parsed
from kb_platform.ingest.formats.docx_archive import check_archive
from kb_platform.ingest.formats.lists import tight_lists
from kb_platform.ingest.formats.tables import table_lines
from kb_platform.ingest.limits import ParseLimits
from kb_platform.ingest.unreadable import DocumentUnreadable

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_GONE = {f"{_W}del", f"{_W}moveFrom", f"{_MC}Fallback", f"{_W}pPr", f"{_W}txbxContent"}
_BREAKS = {f"{_W}tab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}
_WRAPPERS = {f"{_W}{name}" for name in ("sdt", "sdtContent", "ins", "moveTo", "smartTag", "customXml")}
_HEADING = re.compile(r"heading ([1-9])", re.IGNORECASE)
_BODY_LEVEL = 9  # an outline level that means none


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
        document = docx.Document(io.BytesIO(content))
        styles = _heading_styles(document.styles.element)
        lines = list(_blocks(document.element.body, styles))
        title = document.core_properties.title
    except etree.XMLSyntaxError:
        raise DocumentUnreadable("malformed XML in it") from None
    except (KeyError, ValueError, AttributeError, OpcError, zipfile.BadZipFile):
        raise DocumentUnreadable("damaged, or not a Word document") from None
    heading = next((line.lstrip("# ") for line in lines if line.startswith("#")), "")
    return Parsed(title or heading, tight_lists("\n\n".join(lines)))


def _heading_styles(styles: Any) -> dict[str, int]:
    """Return the heading level of each style: by its name, its outline level, or the style that it is based on."""
    found: dict[str, tuple[int, str]] = {}
    for style in styles.iter(f"{_W}style"):
        name, parent, level = (style.find(path) for path in (f"{_W}name", f"{_W}basedOn", f"{_W}pPr/{_W}outlineLvl"))
        heading = _HEADING.fullmatch(_value(name))
        own = int(heading[1]) if heading else 1 if _value(name).lower() == "title" else _outline(level)
        found[style.get(f"{_W}styleId") or ""] = (own, _value(parent))
    return {style: level for style in found if (level := _inherited(style, found))}


def _inherited(style: str, found: dict[str, tuple[int, str]]) -> int:
    for _ in found:  # a chain is no longer than that, even one that bites its tail
        level, parent = found.get(style, (0, ""))
        if level or not parent:
            return level
        style = parent
    return 0


def _outline(level: Any) -> int:
    value = _value(level)
    return int(value) + 1 if value.isdigit() and int(value) < _BODY_LEVEL else 0


def _value(element: Any) -> str:
    return "" if element is None else element.get(f"{_W}val") or ""


def _blocks(parent: Any, styles: dict[str, int]) -> Iterator[str]:
    for child in parent:
        if child.tag == f"{_W}p":
            if line := _paragraph(child, styles):
                yield line
            for box in child.iter(f"{_W}txbxContent"):
                if not any(a.tag in (f"{_MC}Fallback", f"{_W}txbxContent") for a in box.iterancestors()):
                    yield from _blocks(box, styles)
        elif child.tag == f"{_W}tbl":
            if lines := table_lines(_rows(child)):
                yield "\n".join(lines)
        elif child.tag in _WRAPPERS:
            yield from _blocks(child, styles)


def _paragraph(paragraph: Any, styles: dict[str, int]) -> str:
    text = "".join(_runs(paragraph)).strip()
    if not text:
        return ""
    style = _value(paragraph.find(f"{_W}pPr/{_W}pStyle"))
    level = _outline(paragraph.find(f"{_W}pPr/{_W}outlineLvl")) or styles.get(style, 0)
    if level:
        return f"{'#' * min(level, 6)} {' '.join(text.split())}"
    numbering = paragraph.find(f"{_W}pPr/{_W}numPr")
    if numbering is None and not style.startswith("List"):
        return text
    depth = _value(numbering.find(f"{_W}ilvl")) if numbering is not None else ""
    return f"{'  ' * min(int(depth or 0), 8)}- {text}"


def _runs(element: Any) -> Iterator[str]:
    """Yield the pieces of text below an element, in order; equations as their characters."""
    for child in element:
        if child.tag in (f"{_W}t", f"{_M}t"):
            yield child.text or ""
        elif child.tag in _BREAKS:
            yield _BREAKS[child.tag]
        elif child.tag not in _GONE and not (child.tag == f"{_W}r" and _is_hidden(child)):
            yield from _runs(child)


def _is_hidden(run: Any) -> bool:
    vanish = run.find(f"{_W}rPr/{_W}vanish")
    return vanish is not None and _value(vanish) not in ("0", "false", "off")


def _rows(table: Any) -> Iterator[list[str]]:
    """Yield rows of cells; a table or a list in a cell is that cell's text. A merged cell has its text once."""
    for row in _through(table, f"{_W}tr"):
        yield [" ".join("".join(_runs(p)) for p in cell.iter(f"{_W}p")) for cell in _through(row, f"{_W}tc")]


def _through(parent: Any, tag: str) -> Iterator[Any]:
    for child in parent:
        if child.tag == tag:
            yield child
        elif child.tag in _WRAPPERS:
            yield from _through(child, tag)
