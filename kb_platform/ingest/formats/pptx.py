"""PowerPoint slides: titles, texts, tables and notes, slide by slide. Hidden slides are left out and counted; pictures are not read."""

from collections.abc import Iterator
from typing import Any

from kb_platform.ingest.formats import Parsed
from kb_platform.ingest.formats.left_out import LeftOuts
from kb_platform.ingest.formats.ooxml import Package, opened, relation
from kb_platform.ingest.formats.raised import lowered, raised
from kb_platform.ingest.formats.symbols import in_symbol_font, is_symbol_font
from kb_platform.ingest.formats.tables import Cell, spanning_table
from kb_platform.ingest.limits import ParseLimits

_MAIN = "ppt/presentation.xml"
_TITLES = {"title", "ctrTitle"}
_FURNITURE = {"dt", "ftr", "sldNum", "hdr"}


def read(content: bytes, limits: ParseLimits) -> Parsed:
    """Return the slides in their order; the first title is the document's.

    Raises:
        DocumentUnreadable: no PowerPoint file, damaged, encrypted, or larger than the limits when expanded.
    """
    left_out, parts = LeftOuts(), list[str]()
    with opened(content, limits, _MAIN, "a PowerPoint file") as package:
        root, related = package.root(_MAIN), package.related(_MAIN)
        for entry in root.iter("sldId"):
            part = related.get(relation(entry), ("", ""))[1]
            slide = package.root(part)
            if slide is None:
                continue
            text = "\n\n".join(_blocks(slide))
            if slide.get("show") in ("0", "false"):
                left_out.add("hidden", text)
            elif text:
                parts.append(text)
                parts += _notes(package, part)
    title = next((part.split("\n", 1)[0].lstrip("# ") for part in parts if part.startswith("#")), "")
    return Parsed(title, "\n\n".join(parts), left_out=left_out.entries())


def _notes(package: Package, part: str) -> list[str]:
    target = next((target for kind, target in package.related(part).values() if kind == "notesSlide"), "")
    root = package.root(target) if target else None
    text = "" if root is None else "\n\n".join(_blocks(root, titles=False))
    return [f"Notes: {text}"] if text else []


def _blocks(slide: Any, *, titles: bool = True) -> Iterator[str]:
    for shape in slide.iter("sp", "graphicFrame"):
        hidden = shape.find("*/cNvPr")
        if hidden is not None and hidden.get("hidden") in ("1", "true"):
            continue
        place = shape.find("nvSpPr/nvPr/ph")
        kind = "" if place is None else place.get("type") or ""
        if kind in _FURNITURE:
            continue
        if shape.tag == "graphicFrame":
            for table in shape.iter("tbl"):
                yield spanning_table(_row(row) for row in table.iter("tr"))
        elif lines := [line for line in _lines(shape.find("txBody")) if line.strip()]:
            yield f"## {' '.join(' '.join(lines).split())}" if titles and kind in _TITLES else "\n".join(lines)


def _row(row: Any) -> list[Cell]:
    return [Cell(" ".join(_lines(cell.find("txBody"))), int(cell.get("gridSpan") or 1), int(cell.get("rowSpan") or 1))
            for cell in row.findall("tc") if cell.get("hMerge") not in ("1", "true") and cell.get("vMerge") not in ("1", "true")]


def _lines(body: Any) -> Iterator[str]:
    """Yield paragraphs; numbered ones with their numbers."""
    counts: dict[int, int] = {}
    for paragraph in body.findall("p") if body is not None else ():
        properties = paragraph.find("pPr")
        depth = int(properties.get("lvl") or 0) if properties is not None else 0
        text = _text(paragraph)
        numbered = properties.find("buAutoNum") if properties is not None else None
        if numbered is not None and text.strip():
            counts = {level: n for level, n in counts.items() if level <= depth}
            counts[depth] = counts.get(depth, int(numbered.get("startAt") or 1) - 1) + 1
            yield f"{'  ' * depth}{counts[depth]}. {text}"
        else:
            yield f"{'  ' * depth}- {text}" if depth and text.strip() else text


def _text(paragraph: Any) -> str:
    out = ""
    for run in paragraph.iter("r", "br", "fld"):
        if run.tag == "br":
            out += "\n"
            continue
        text, properties = run.findtext("t") or "", run.find("rPr")
        font = None if properties is None else properties.find("sym") if properties.find("sym") is not None else properties.find("latin")
        if font is not None and is_symbol_font(font.get("typeface") or ""):
            text = in_symbol_font(text, font.get("typeface"))
        shift = int((properties.get("baseline") if properties is not None else None) or 0)
        out += raised(text, out) if shift > 0 else lowered(text) if shift < 0 else text
    return out
