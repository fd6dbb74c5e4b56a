"""Equal texts of several documents take one place in a ranking: the best of them, which names the others.

Twenty copies of a leaflet would fill a list, and nothing else would be seen. What differs in its title alone is the same text.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from kb_platform.storage.search import Hit, Place

MOST = 2000  # hits that are looked at for k different texts
Ask = Callable[[int], list[Hit]]


def wide(k: int) -> int:
    """Return how many hits to ask for, to have k different texts of them, as a rule, and their copies."""
    return 2 * k + 10


def different(hits: Sequence[Hit], k: int, ask: Ask) -> list[Hit]:
    """Return the k best different texts; `hits` are the `wide(k)` best of all, and `ask` gives more where these have too many copies."""
    asked, found = wide(k), _joined(hits)
    while len(found) < k and len(hits) == asked < MOST:
        asked = min(4 * asked, MOST)
        hits = ask(asked)
        found = _joined(hits)
    return found[:k]


def _joined(hits: Sequence[Hit]) -> list[Hit]:
    groups: dict[str, list[Hit]] = {}
    for hit in hits:
        groups.setdefault(hit.content.strip(), []).append(hit)
    return [replace(first, also_in=tuple(map(_place, others))) if others else first for first, *others in groups.values()]


def _place(hit: Hit) -> Place:
    return Place(hit.chunk_id, hit.source, hit.doc_id, hit.title, hit.start, hit.end)
