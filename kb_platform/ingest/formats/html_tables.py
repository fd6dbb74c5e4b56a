"""The table that an HTML page is in: rows of cells with their spans. Tables inside its cells are parts of those cells."""

from typing import Any

from kb_platform.ingest.formats.tables import Cell, spanning_table


class TableWriter:
    """Collects cells between the start and the end of the outermost table."""

    def __init__(self) -> None:
        """Start outside any table."""
        self.depth = 0
        self._reset()

    def _reset(self) -> None:
        self._rows: list[list[list[Any]]] = []  # cells: [text, columns, rows, is a name]
        self._head = 0

    def has_cell(self) -> bool:
        """Say whether text belongs to a cell."""
        return bool(self.depth and self._rows and self._rows[-1])

    def add(self, text: str) -> None:
        """Add text to the current cell."""
        self._rows[-1][-1][0].append(text)

    def last(self) -> str:
        """Return the end of the current cell's text."""
        return "".join(self._rows[-1][-1][0][-1:])

    def start(self, element: Any) -> bool:
        """Take the start of a table or of a part of it; False for what is a part of a cell."""
        tag = element.tag
        if tag == "table":
            self.depth += 1
            return self.depth == 1
        if self.depth != 1 or tag not in ("thead", "tbody", "tfoot", "tr", "td", "th"):
            return False
        if tag == "tr":
            self._rows.append([])
            self._head += element.getparent().tag == "thead"
        elif tag in ("td", "th"):
            self._rows = self._rows or [[]]
            self._rows[-1].append([[], _span(element, "colspan"), _rows_of(element), tag == "th"])
        return True

    def end(self) -> str:
        """Take the end of a table; return the text of the outermost one."""
        self.depth -= 1
        if self.depth:
            self.add(" ") if self.has_cell() else None
            return ""
        head = self._head or self._rows_of_names()
        rows = [[Cell("".join(text), columns, spanned) for text, columns, spanned, _ in row] for row in self._rows if row]
        self._reset()
        return spanning_table(rows, head)

    def _rows_of_names(self) -> int:
        count = 0
        while count < len(self._rows) - 1 and self._rows[count] and all(cell[3] for cell in self._rows[count]):
            count += 1
        return count


def _span(element: Any, name: str) -> int:
    value = (element.get(name) or "1").strip()
    return max(int(value), 1) if value.isascii() and value.isdigit() and len(value) < 6 else 1


def _rows_of(element: Any) -> int:
    """Return how many rows a cell covers; 0 means to the end of its group."""
    if (element.get("rowspan") or "").strip() == "0":
        row = element.getparent()
        return 1 + sum(1 for _ in row.itersiblings("tr"))
    return _span(element, "rowspan")
