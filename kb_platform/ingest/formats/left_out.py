"""What a reader saw and left out: counted by kind, with the first pieces of each for the person who wants to look."""

from typing import NamedTuple

_PIECES = 20
_LENGTH = 200


class LeftOut(NamedTuple):
    """One kind of text that is not part of the document: how many pieces, and the first of them, cut to 200 characters."""

    kind: str
    number: int
    pieces: tuple[str, ...]


class LeftOuts:
    """Collects what is left out of one document."""

    def __init__(self) -> None:
        """Start at nothing."""
        self._found: dict[str, tuple[int, list[str]]] = {}

    def add(self, kind: str, text: str) -> None:
        """Count a piece; one without a word does not count."""
        if not any(map(str.isalnum, text)):
            return
        count, pieces = self._found.get(kind, (0, []))
        if count < _PIECES:
            pieces.append(" ".join(text[: 4 * _LENGTH].split())[:_LENGTH])
        self._found[kind] = (count + 1, pieces)

    def entries(self) -> tuple[LeftOut, ...]:
        """Return the kinds in the order in which they were met."""
        return tuple(LeftOut(kind, count, tuple(pieces)) for kind, (count, pieces) in self._found.items())
