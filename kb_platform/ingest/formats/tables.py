"""Tables as Markdown: the shape in which the chunker knows a table, and repeats its column names in front of a later piece.

A cell that spans rows or columns fills every cell that it covers, for a row must say by itself what it is about.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

_MOST_COLUMNS = 256
_MOST_COPIED = 4_000_000  # characters: a hostile span must not write gigabytes


class Cell(NamedTuple):
    """A cell and how many columns and rows it covers."""

    text: str
    columns: int = 1
    rows: int = 1


def table_lines(rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a table whose first row names the columns; rows without a word are left out, short ones are filled up."""
    filled = [row for row in ([_cell(cell) for cell in row] for row in rows) if any(row)]
    if not filled:
        return []
    width = max(map(len, filled))
    lines = [f"| {' | '.join([*row, *[''] * (width - len(row))])} |" for row in filled]
    return [lines[0], f"|{'---|' * width}", *lines[1:]]


def spanning_table(rows: Iterable[Sequence[Cell]], head: int = 0) -> str:
    """Return a table with spans, as text. `head` is how many rows name the columns, 0 where nothing says so (then: the first).

    Several head rows become one ("Dose" above "adult" and "child": Dose adult, Dose child). A first row that is one cell over
    the whole width is the title of the table, and stands above it.
    """
    cells = [list(row) for row in rows if any(cell.text.strip() for cell in row)]
    grid = list(_spread(cells))
    if not grid:
        return ""
    title = ""
    if len(grid) > 2 and len(cells[0]) == 1 and len(grid[0]) > 1 and cells[0][0].rows == 1:
        title, cells, grid, head = cells[0][0].text, cells[1:], grid[1:], max(head - 1, 0)
    head = head or _head_rows(cells[0])
    if 1 < head < len(grid):
        grid = [_joined(grid[:head]), *grid[head:]]
    return "\n\n".join(part for part in (" ".join(title.split()), "\n".join(table_lines(grid))) if part)


def _head_rows(first: Sequence[Cell]) -> int:
    """Return how many rows the head has: a first row with both kinds of spans stands above the names of its groups."""
    return max(cell.rows for cell in first) if any(cell.columns > 1 for cell in first) else 1


def _spread(rows: Iterable[Sequence[Cell]]) -> Iterator[list[str]]:
    rows = list(rows)
    if all(cell[1:] == (1, 1) for cells in rows for cell in cells):
        yield from ([cell.text for cell in cells] for cells in rows)
        return
    above: dict[int, tuple[int, str]] = {}  # column -> rows that a cell above still covers, and its text
    copied = 0
    for cells in rows:
        line: list[str] = []
        below: dict[int, tuple[int, str]] = {}
        for cell in cells:
            _cover(line, above, below)
            for _ in range(max(1, min(cell.columns, _MOST_COLUMNS - len(line)))):
                if cell.rows > 1:
                    below[len(line)] = (cell.rows - 1, cell.text)
                line.append(cell.text if copied < _MOST_COPIED else "")
                copied += len(cell.text)
        while above and max(above) >= len(line):
            if len(line) not in above:
                line.append("")
            _cover(line, above, below)
        above = below
        yield line


def _cover(line: list[str], above: dict[int, tuple[int, str]], below: dict[int, tuple[int, str]]) -> None:
    """Write into a row what cells above it cover from its end on."""
    while len(line) in above:
        left, text = above.pop(len(line))
        if left > 1:
            below[len(line)] = (left - 1, text)
        line.append(text)


def _joined(head: Sequence[Sequence[str]]) -> list[str]:
    width = max(map(len, head))
    columns = ([row[n] if n < len(row) else "" for row in head] for n in range(width))
    return [" ".join(dict.fromkeys(" ".join(name.split()) for name in names if name.strip())) for names in columns]


def _cell(text: str) -> str:
    return text if text.isalnum() else " ".join(text.split()).replace("|", "\\|")
