"""Where sentences begin, as positions at which a chunk may be cut.

A missed sentence costs nothing here (the cut falls elsewhere), a false one splits "Dr. Smith" over two chunks, so the rule is
strict about full stops and knows the abbreviations of clinical English. It is our own and not a library's, because its answers
decide the text of chunks: a library's new release would move cuts, and with them vectors, without anybody having decided so.
Scripts that write their own full stop (CJK, Devanagari, Arabic, Armenian, Ethiopic) are cut behind it.
"""

import re
from collections.abc import Iterator

_GAP = re.compile(r"(?<=[.!?…\"'”’»)\]*_])\s+")  # anchored by look-behind, so that runs of dots or blanks stay linear
_OWN_STOPS = re.compile(r"(?:[。！？｡][」』”’）]?|[।॥؟۔։።])\s*")
_CLOSERS = "\"'”’»)]*_"
_OPENERS = "\"'“‘«([*_#-"
_ABBREVIATED = """
    dr mr mrs ms prof st jr sr vs etc al approx ca cf ed eds eq fig figs no nos vol vols pp ch sec ref refs tab inc ltd corp dept
    e.g i.e a.m p.m u.s u.k ph.d m.d d.o b.i.d t.i.d q.i.d p.o i.v i.m s.c spp sp ssp var subsp max min avg est tel ext
    jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun
"""
_ABBREVIATIONS = frozenset(_ABBREVIATED.split())


def sentence_starts(text: str) -> Iterator[int]:
    """Yield the positions at which a sentence begins after another one, in no particular order. Linear time."""
    for gap in _GAP.finditer(text):
        if _ends_sentence(text[max(0, gap.start() - 24) : gap.start()]) and _begins_sentence(text[gap.end() : gap.end() + 4]):
            yield gap.end()
    for stop in _OWN_STOPS.finditer(text):
        yield stop.end()


def _ends_sentence(tail: str) -> bool:
    tail = tail.rstrip(_CLOSERS)
    if not tail or tail[-1] not in ".!?…":
        return False
    if tail[-1] != "." or tail.endswith(".."):
        return True
    pieces = tail[:-1].split()
    word = pieces[-1].lstrip(_OPENERS).lower() if pieces else ""
    is_number_of_an_item = word.isdigit() and (len(pieces) == 1 or tail[: tail.rfind(word)].endswith("\n"))
    return not (is_number_of_an_item or word in _ABBREVIATIONS or (len(word) == 1 and word.isalpha()))


def _begins_sentence(head: str) -> bool:
    head = head.lstrip(_OPENERS)
    return bool(head) and not head[0].islower()
