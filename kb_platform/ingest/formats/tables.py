"""Tables as Markdown: the shape in which the chunker knows a table, and repeats its column names in front of a later piece."""

from collections.abc import Iterable, Sequence


def table_lines(rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a table whose first row names the columns; rows without a word are left out, short ones are filled up."""
    filled = [row for row in ([_cell(cell) for cell in row] for row in rows) if any(row)]
    if not filled:
        return []
    width = max(map(len, filled))
    lines = [f"| {' | '.join([*row, *[''] * (width - len(row))])} |" for row in filled]
    return [lines[0], f"|{'---|' * width}", *lines[1:]]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
