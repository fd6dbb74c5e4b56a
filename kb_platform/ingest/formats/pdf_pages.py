"""Pages made into one text: without the heads and feet that run through them, and without a break in a sentence."""

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from kb_platform.ingest.formats.left_out import LeftOuts
from kb_platform.ingest.formats.pdf_lines import Segment

_EDGE = 2  # lines at the head and at the foot of a page
_MARGIN = 0.12  # of the page's height
_SHARE = 0.3  # of the pages that a running line stands on, at least
_NUMBER = re.compile(r"\d+|\b[ivxlc]+\b")
_ENDS = (".", ":", ";", "!", "?", "|", "\n")


@dataclass
class PageLines:
    """The lines of a page, and where the page ends."""

    lines: list[Segment]
    bottom: float
    top: float


def joined_pages(pages: list[PageLines], left_out: LeftOuts) -> str:
    """Return the text of all pages."""
    running = _running(pages)
    first: set[str] = set()
    last = {}
    for number, page in enumerate(pages):
        for line in _feet(page):
            last[_shape(line)] = number
    text = ""
    for number, page in enumerate(pages):
        heads, feet = ([line for line in edge if _shape(line) in running] for edge in (_heads(page), _feet(page)))
        at_edge = {line.y for line in (*heads, *feet)}
        kept: list[str] = []
        for line in page.lines:
            shape = _shape(line) if line.y in at_edge else ""
            gone = shape and ((line in heads and shape in first) or (line in feet and last.get(shape) != number))
            if shape and line in heads:
                first.add(shape)
            if gone:
                left_out.add("running heads and feet", line.text)
            else:
                kept.append(line.text.strip(" "))
        text = _followed(text, "\n".join(kept).strip("\n"))
    return text


def _followed(text: str, page: str) -> str:
    if not text or not page:
        return text or page
    goes_on = not text.rstrip().endswith(_ENDS) and page[:1].islower()
    return f"{text}\n{page}" if goes_on or text.endswith(("\x02", "\ufffe")) else f"{text}\n\n{page}"


def _shape(line: Segment) -> str:
    return _shape_of(line.text)


@lru_cache(maxsize=4096)
def _shape_of(text: str) -> str:
    return _NUMBER.sub("#", " ".join(text.split()).lower())


def _heads(page: PageLines) -> list[Segment]:
    limit = page.top - _MARGIN * (page.top - page.bottom)
    return [line for line in page.lines[:_EDGE] if line.y >= limit] + [line for line in page.lines[-_EDGE:] if line.y >= limit]


def _feet(page: PageLines) -> list[Segment]:
    limit = page.bottom + _MARGIN * (page.top - page.bottom)
    return [line for line in page.lines[-_EDGE:] if line.y <= limit] + [line for line in page.lines[:_EDGE] if line.y <= limit]


def _running(pages: list[PageLines]) -> set[str]:
    """Return the shapes (numbers left out) of lines that stand in the margins of many pages."""
    counts = Counter(shape for page in pages for shape in {_shape(line) for line in (*_heads(page), *_feet(page))})
    return {shape for shape, count in counts.items() if count >= max(2, _SHARE * len(pages)) and shape}
