"""Excel workbooks: every visible sheet as a table under its name, values as they were computed when the file was saved.

Merged cells fill what they cover. Hidden sheets, rows and columns are left out and counted; charts, pictures, comments and formats
of numbers are not read, but for dates.
"""

import datetime as dt
import re
from collections.abc import Sequence
from typing import Any

from kb_platform.ingest.formats import Parsed
from kb_platform.ingest.formats.left_out import LeftOuts
from kb_platform.ingest.formats.ooxml import Package, opened, relation
from kb_platform.ingest.formats.raised import lowered, raised
from kb_platform.ingest.formats.tables import table_lines
from kb_platform.ingest.limits import ParseLimits

_MAIN = "xl/workbook.xml"
_AT = re.compile(r"([A-Z]{1,3})(\d{1,7})")
_DATE = re.compile(r"[dmyhs]", re.IGNORECASE)
_QUOTED = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.')
_DATES = {*range(14, 23), *range(45, 48)}
_EPOCH = dt.datetime(1899, 12, 30)  # noqa: DTZ001  a workbook's dates know no zone
_MOST_FILLED = 100_000  # cells that merges may fill


def read(content: bytes, limits: ParseLimits) -> Parsed:
    """Return the sheets.

    Raises:
        DocumentUnreadable: no Excel workbook, damaged, encrypted, or larger than the limits when expanded.
    """
    left_out, parts = LeftOuts(), list[str]()
    with opened(content, limits, _MAIN, "an Excel workbook") as package:
        workbook, related = package.root(_MAIN), package.related(_MAIN)
        shared = [_text(item) for item in _children(package, related, "sharedStrings", "si")]
        dates = _date_styles(package, related)
        for sheet in workbook.iter("sheet"):
            root = package.root(related.get(relation(sheet), ("", ""))[1])
            if root is None:
                continue
            rows = _rows(root, shared, dates, left_out)
            if sheet.get("state") in ("hidden", "veryHidden"):
                left_out.add("hidden", " ".join(cell for row in rows for cell in row))
            elif lines := table_lines(rows):
                parts.append(f"## {sheet.get('name')}\n\n" + "\n".join(lines))
    return Parsed("", "\n\n".join(parts), left_out=left_out.entries())


def _children(package: Package, related: dict[str, tuple[str, str]], kind: str, name: str) -> Sequence[Any]:
    root = next((package.root(target) for found, target in related.values() if found == kind), None)
    return [] if root is None else root.findall(name)


def _date_styles(package: Package, related: dict[str, tuple[str, str]]) -> set[int]:
    """Return the numbers of the styles that show a date."""
    root = next((package.root(target) for found, target in related.values() if found == "styles"), None)
    if root is None:
        return set()
    own = {int(f.get("numFmtId")) for f in root.iter("numFmt") if _DATE.search(_QUOTED.sub("", f.get("formatCode") or ""))}
    return {n for n, style in enumerate(root.iterfind("cellXfs/xf")) if int(style.get("numFmtId") or 0) in own | _DATES}


def _rows(root: Any, shared: list[str], dates: set[int], left_out: LeftOuts) -> list[list[str]]:
    cells: dict[tuple[int, int], str] = {}
    hidden_rows = {int(row.get("r") or 0) for row in root.iter("row") if row.get("hidden") in ("1", "true")}
    hidden = {n for c in root.iter("col") if c.get("hidden") in ("1", "true") for n in range(int(c.get("min")), min(int(c.get("max")), 16384) + 1)}
    for cell in root.iter("c"):
        at = _place(cell.get("r") or "")
        if at and (value := _value(cell, shared, dates)):
            cells[at] = value
    _fill(cells, root)
    for (row, column), value in sorted(cells.items()):
        if row in hidden_rows or column in hidden:
            left_out.add("hidden", value)
    shown = {at: value for at, value in cells.items() if at[0] not in hidden_rows and at[1] not in hidden}
    columns = sorted({column for _, column in shown})
    return [[shown.get((row, column), "") for column in columns] for row in sorted({row for row, _ in shown})]


def _fill(cells: dict[tuple[int, int], str], root: Any) -> None:
    left = _MOST_FILLED
    for merge in root.iter("mergeCell"):
        first, _, last = (merge.get("ref") or "").partition(":")
        top, bottom = _place(first), _place(last)
        if top and bottom and top in cells:
            for row in range(top[0], bottom[0] + 1):
                for column in range(top[1], bottom[1] + 1):
                    left -= 1
                    if left < 0:
                        return
                    cells[row, column] = cells[top]


def _place(reference: str) -> tuple[int, int] | None:
    found = _AT.fullmatch(reference)
    if found is None:
        return None
    column = 0
    for letter in found[1]:
        column = 26 * column + ord(letter) - 64
    return int(found[2]), column


def _value(cell: Any, shared: list[str], dates: set[int]) -> str:
    kind, value = cell.get("t") or "n", cell.findtext("v") or ""
    if kind == "inlineStr":
        return _text(cell.find("is"))
    if kind == "s":
        return shared[int(value)] if value.isdigit() and int(value) < len(shared) else ""
    if kind == "b":
        return {"1": "TRUE", "0": "FALSE"}.get(value, value)
    if kind != "n" or not value:
        return value
    return _date(value) if int(cell.get("s") or 0) in dates else _number(value)


def _number(value: str) -> str:
    """Return a number as Excel shows it: 15 digits, for 0.1 + 0.2 is stored with 17."""
    try:
        return f"{float(value):.15g}" if "." in value or "E" in value.upper() else value
    except ValueError:
        return value


def _date(value: str) -> str:
    try:
        moment = _EPOCH + dt.timedelta(days=float(value))
    except (ValueError, OverflowError):
        return value
    return moment.date().isoformat() if moment.time() == dt.time() else moment.isoformat(" ", "minutes")


def _text(item: Any) -> str:
    """Return a string with its raised and lowered runs written out."""
    if item is None:
        return ""
    out = "".join(t.text or "" for t in item.findall("t"))
    for run in item.findall("r"):
        text, place = run.findtext("t") or "", run.find("rPr/vertAlign")
        kind = "" if place is None else place.get("val")
        out += raised(text, out) if kind == "superscript" else lowered(text) if kind == "subscript" else text
    return out
