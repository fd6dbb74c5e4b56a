"""What was found, as a terminal shows it: one text, whether this process searched or a server did. Without libraries: kb_platform/entry.py says why."""

import os
import sys
from collections.abc import Mapping, Sequence
from textwrap import fill, shorten
from typing import Any

from kb_platform.quick_settings import in_color, inherited_width

LENGTH = 400  # characters of a chunk that are shown
PLACES = 5  # documents with the same text that are named
BOLD, CYAN, PLAIN = "\x1b[1m", "\x1b[36m", "\x1b[0m"


def as_object(hit: Any) -> dict[str, Any]:
    """Return a hit (storage/search.py) as --json prints it, and as the search API sends it."""
    return {**_place(hit), "score": hit.score, "dense": hit.dense, "lexical": hit.lexical, "content": hit.content, "also_in": [_place(at) for at in hit.also_in]}


def _place(at: Any) -> dict[str, Any]:
    return {"chunk": at.chunk_id, "source": at.source, "doc_id": at.doc_id, "title": at.title, "start": at.start, "end": at.end}


def print_hits(hits: Sequence[Mapping[str, Any]], release: str, unread: Sequence[str] = ()) -> None:
    """Print hits as --json has them: title, citation, scores and the beginning of each chunk; then the release that they are from.

    `unread`: the words of the question that the embedding model could not read.
    """
    print(hits_text(hits, _width(), color=sys.stdout.isatty() and in_color()), end="")
    if unread:
        print(f"the embedding model cannot read {shorten(', '.join(unread), LENGTH, placeholder=' ...')}: only words were compared there")
    print(f"release {release}, {len(hits)} {'chunk' if len(hits) == 1 else 'chunks'}")


def hits_text(hits: Sequence[Mapping[str, Any]], width: int, *, color: bool = False) -> str:
    """Return the text, wrapped at words."""
    bold, cyan, plain = (BOLD, CYAN, PLAIN) if color else ("", "", "")
    parts = []
    for rank, hit in enumerate(hits, 1):
        cited = f"{hit['source']}/{hit['doc_id']}:{hit['start']}-{hit['end']}"
        shown = fill(shorten(hit["content"], LENGTH, placeholder=" ..."), width, initial_indent="   ", subsequent_indent="   ", break_on_hyphens=False)
        parts.append(f"{bold}{fill(f'{rank}. ' + hit['title'], width, break_on_hyphens=False)}{plain}\n"
                     f"   {cyan}{cited}{plain}  chunk {hit['chunk']}\n{_also(hit['also_in'])}"
                     f"   score {hit['score']:.3f} (dense {hit['dense']:.3f}, lexical {hit['lexical']:.3f})\n{shown}\n\n")
    return "".join(parts)


def _also(places: Sequence[Mapping[str, Any]]) -> str:
    """Return the other documents that have the same text."""
    if not places:
        return ""
    named = ", ".join(f"{at['source']}/{at['doc_id']}:{at['start']}-{at['end']}" for at in places[:PLACES])
    return f"   also in {named}{f' and {len(places) - PLACES} more' if len(places) > PLACES else ''}\n"


def _width() -> int:
    if (columns := inherited_width()) is not None:
        return columns or 80
    for stream in (0, 1, 2):
        try:
            return os.get_terminal_size(stream).columns or 80
        except OSError:
            continue
    return 80
