"""The text inside JATS blocks: raised and lowered parts, references in brackets, formulas, lists and tables."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from kb_platform.ingest.formats.formula import formula_text
from kb_platform.ingest.formats.lists import FORMATS, counted
from kb_platform.ingest.formats.raised import lowered, note_mark, raised
from kb_platform.ingest.formats.tables import Cell, spanning_table

_SILENT = {"tex-math", "ref-list", "permissions", "object-id", "graphic", "inline-graphic", "private-char"}
_SPACED = {"p", "list-item", "title", "label", "td", "th", "def", "term", "def-item", "disp-formula", "break"}
_ORDERS = FORMATS | {"order": "1", "alpha-lower": "a", "alpha-upper": "A", "roman-lower": "i", "roman-upper": "I"}
_SHAPES: dict[str, Callable[[str], str]] = {
    "sub": lowered, "strike": lambda text: f"~~{text.strip()}~~", "fn": lambda text: f" ({' '.join(text.split())})",
}
_NOTES = {"fn", "table-fn", "bibr", "corresp", "aff", "author-notes"}


def inline_text(element: Any, without: Sequence[Any] = ()) -> str:
    """Return the text of an element on one line; `without` are children that stand elsewhere."""
    if element is None or not len(element):
        return "" if element is None else " ".join((element.text or "").split())
    return " ".join("".join(_pieces(element, frozenset(without))).split())


def _pieces(element: Any, without: frozenset[Any]) -> list[str]:
    pieces = [element.text or ""]
    for child in element:
        if isinstance(child.tag, str) and child.tag not in _SILENT and child not in without:
            pieces.append(_piece(child, without, "".join(pieces[-2:]) if child.tag in ("sup", "xref") else ""))
            if child.tag in _SPACED:
                pieces.append(" ")
        pieces.append(child.tail or "")
    return pieces


def _piece(child: Any, without: frozenset[Any], before: str) -> str:
    if child.tag == "math":
        return formula_text(child)
    text = "".join(_pieces(child, without))
    if child.tag == "sup":
        return note_mark(text, before) if _leads_elsewhere(child) else raised(text, before)
    if child.tag == "xref" and child.find("sup") is not None and child.get("ref-type") in (*_NOTES, None):
        return note_mark("".join(child.itertext()), before)
    if child.tag in ("list", "def-list"):
        return f" {'; '.join(line.strip() for line in block_list(child, 0))} "
    shape = _SHAPES.get(child.tag)
    return shape(text) if shape and text.strip() else text


def _leads_elsewhere(sup: Any) -> bool:
    """Say whether all words of a raised part are references."""
    own = (sup.text or "") + "".join(child.tail or "" for child in sup)
    return sup.find("xref") is not None and not any(map(str.isalnum, own))


def block_list(element: Any, depth: int) -> Iterator[str]:
    """Yield the lines of a list, or of a list of definitions, those of the lists in it indented."""
    if element.tag == "def-list":
        for item in element.iter("def-item"):
            yield f"- {inline_text(item.find('term'))}: {' '.join(inline_text(d) for d in item.findall('def'))}"
        return
    form = _ORDERS.get((element.get("list-type") or "").lower())
    for number, item in enumerate(element.findall("list-item"), _first(element)):
        inner = [*item.iterfind("list"), *item.iterfind("p/list"), *item.iterfind("def-list")]
        label = item.find("label")
        mark = inline_text(label) or (f"{counted(number, form)}." if form else "-")
        yield f"{'  ' * depth}{mark} {inline_text(item, without=[*inner, *([label] if label is not None else [])])}"
        for nested in inner:
            yield from block_list(nested, depth + 1)


def _first(element: Any) -> int:
    """Return the number of a list's first item: one that continues another counts on."""
    before, named = 0, element.get("continued-from")
    seen = {element.get("id")}
    while named and named not in seen:
        seen.add(named)
        other = next((e for e in element.getroottree().iter("list") if e.get("id") == named), None)
        if other is None:
            break
        before, named = before + len(other.findall("list-item")), other.get("continued-from")
    return before + 1


def table_text(table: Any) -> str:
    """Return a table with its spans filled."""
    head = len(table.findall("thead/tr"))
    rows = [[_cell(cell) for cell in row if cell.tag in ("td", "th")] for row in table.iter("tr")]
    return spanning_table(rows, head)


def _cell(cell: Any) -> Cell:
    return Cell(inline_text(cell), _whole(cell.get("colspan")), _whole(cell.get("rowspan")))


def _whole(value: str | None) -> int:
    return max(int(value), 1) if value and value.isascii() and value.isdigit() and len(value) < 6 else 1
