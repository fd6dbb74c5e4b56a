"""Tables whose lines have no pipes at their edges: rewritten with them, which is how the chunker knows a table."""

import re

from kb_platform.ingest.formats.tables import table_lines

_RULE = re.compile(r" {0,3}:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)+\|?[ \t]*")
_PIPE = re.compile(r"(?<!\\)\|")


def with_edge_pipes(text: str) -> str:
    """Return Markdown in which every table begins its lines with a pipe."""
    lines = text.split("\n")
    if not any("|" in line and _RULE.fullmatch(line) for line in lines):
        return text
    out: list[str] = []
    number = 0
    while number < len(lines):
        end = _table_end(lines, number)
        if end:
            rows = [_cells(line) for n, line in enumerate(lines[number:end]) if n != 1]
            out += ["", *table_lines(rows), *([""] if end < len(lines) and lines[end].strip() else [])]
        else:
            out.append(lines[number])
        number = end or number + 1
    return "\n".join(out)


def _table_end(lines: list[str], start: int) -> int:
    """Return the line behind a table without edge pipes; 0 where none begins."""
    if start + 1 >= len(lines) or lines[start].lstrip().startswith("|") or not _PIPE.search(lines[start]):
        return 0
    if not _RULE.fullmatch(lines[start + 1]):
        return 0
    end = start + 2
    while end < len(lines) and lines[end].strip() and _PIPE.search(lines[end]):
        end += 1
    return end


def _cells(line: str) -> list[str]:
    line = line.strip().removeprefix("|")
    cells = _PIPE.split(line)
    return [cell.strip().replace("\\|", "|") for cell in (cells[:-1] if line.endswith("|") and not cells[-1].strip() else cells)]
