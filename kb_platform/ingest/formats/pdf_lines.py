"""Runs of text made into the lines of a page: raised and lowered ones written out, columns one after the other.

pdfium's order is kept, which follows the file; what it gets wrong is a line across two columns, and a superscript that it takes for
a line of its own.
"""

from dataclasses import dataclass

from kb_platform.ingest.formats.pdf_runs import Run
from kb_platform.ingest.formats.raised import lowered, raised

_COLUMN_GAP = 1.2  # widths of the font's size; no space between words is that wide
_LEAST_LINES = 3
_LEAST_WORDS = 16  # characters of a column's line, on average; shorter ones are cells
_MARK = 16  # characters: a longer run is no exponent


@dataclass(slots=True)
class Segment:
    """A part of a line without a wide gap in it."""

    text: str
    x0: float
    x1: float
    y: float
    size: float


def write_marks(runs: list[Run]) -> None:
    """Write raised and lowered runs out, and take away the line ends that pdfium puts around them."""
    largest = max((run.size for run in runs), default=0.0)
    for n, run in enumerate(runs):
        if largest < 1.1 * run.size or len(run.text.strip()) > _MARK:
            continue
        base = next((runs[k] for k in range(n - 1, max(n - 4, -1), -1) if runs[k].size > run.size * 1.1 or k == n - 1), None)
        follower = runs[n + 1] if n + 1 < len(runs) else None
        for other, before in ((base, True), (follower, False)):
            if other is not None and (sign := _place(run, other, runs[n - 1] if n else None, before=before)):
                text = run.text.strip()
                run.text = raised(text, runs[n - 1].text if n else "") if sign > 0 else lowered(text)
                if before:
                    run.gap = "" if "\n" in run.gap or run.x0 - runs[n - 1].x1 < 0.2 * other.size else run.gap
                if follower is not None and "\n" in follower.gap and abs(follower.y - other.y) < 0.1 * other.size:
                    follower.gap = " " if follower.x0 - run.x1 > 0.2 * other.size else ""
                break


def _place(run: Run, other: Run, previous: Run | None, *, before: bool) -> int:
    """Return 1 for a run that is raised against another one beside it, -1 for a lowered one, else 0."""
    if other.size < 1.1 * run.size:
        return 0
    beside = run.x0 - (previous or other).x1 if before else other.x0 - run.x1
    if not -0.3 * other.size <= beside <= 0.5 * other.size:
        return 0
    rise = (run.y - other.y) / other.size
    return 1 if 0.12 <= rise <= 1.0 else -1 if -0.6 <= rise <= -0.06 else 0


def lines_of(runs: list[Run]) -> list[list[Segment]]:
    """Return lines, each as the segments between its wide gaps."""
    lines: list[list[Segment]] = []
    for run in runs:
        text = run.text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in run.text else run.text
        if not lines or "\n" in run.gap:
            lines.append([Segment(text, run.x0, run.x1, run.y, run.size)])
            continue
        last = lines[-1][-1]
        if run.gap.strip(" ") == "" and run.x0 - last.x1 > _COLUMN_GAP * max(run.size, last.size) and abs(run.y - last.y) < last.size:
            lines[-1].append(Segment(text, run.x0, run.x1, run.y, run.size))
        else:
            last.text += (" " if run.gap and not last.text.endswith(" ") else "") + text
            last.x1 = max(last.x1, run.x1)
            last.size = max(last.size, run.size)
    return lines


def in_reading_order(lines: list[list[Segment]]) -> list[Segment]:
    """Return lines as one segment each; where several of them stand in columns, column by column."""
    out: list[Segment] = []
    at = 0
    while at < len(lines):
        end = _end_of_columns(lines, at)
        if end:
            split = _gap_of(lines[at:end])
            left = [[s for s in line if s.x0 < split] for line in lines[at:end]]
            right = [[s for s in line if s.x0 >= split] for line in lines[at:end]]
            out += in_reading_order([line for line in left if line]) + in_reading_order([line for line in right if line])
            at = end
        else:
            out.append(_whole(lines[at]))
            at += 1
    return out


def _whole(line: list[Segment]) -> Segment:
    if len(line) == 1:
        line[0].text = line[0].text.strip(" ")
        return line[0]
    return Segment(" ".join(s.text.strip(" ") for s in line), line[0].x0, line[-1].x1, line[0].y, max(s.size for s in line))


def _end_of_columns(lines: list[list[Segment]], start: int) -> int:
    """Return the line behind a block of columns that begins at a line; 0 where none begins."""
    if len(lines[start]) < 2:
        return 0
    low, high = lines[start][0].x1, lines[start][1].x0
    end, both = start, 0
    for line in lines[start:]:
        inner = [(a.x1, b.x0) for a, b in zip(line, line[1:], strict=False) if a.x1 < high and b.x0 > low]
        if inner:
            new = max(low, inner[0][0]), min(high, inner[0][1])
            if new[1] - new[0] < 0.5 * line[0].size:
                break
            (low, high), both = new, both + 1
        elif not (line[-1].x1 <= high or line[0].x0 >= low) or len(line) > 1:
            break
        end += 1
    pairs = [line for line in lines[start:end] if len(line) > 1]
    middle = (low + high) / 2
    lefts, rights = ([len("".join(s.text for s in line if (s.x0 < middle) is side)) for line in pairs] for side in (True, False))
    prose = both >= _LEAST_LINES and min(sum(lefts), sum(rights)) >= _LEAST_WORDS * both
    return end if prose else 0


def _gap_of(lines: list[list[Segment]]) -> float:
    pairs = [line for line in lines if len(line) > 1]
    low = max(line[0].x1 for line in pairs if line)
    return min(s.x0 for line in pairs for s in line[1:] if s.x0 >= low - 1)
