"""How long work tells how far it is: a callable, so that the domain knows nothing of bars or logs.

It is told what is being done, how many are done, and how many there are; None where nobody knows.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Progress = Callable[[str, int, int | None], None]
Item = TypeVar("Item")


def silent(_what: str, _done: int, _total: int | None) -> None:
    """Tell nobody."""


def counted(items: Iterable[Item], progress: Progress, what: str, total: int | None) -> Iterator[Item]:
    """Yield the items, and tell of each when it is done with."""
    for number, item in enumerate(items, 1):
        yield item
        progress(what, number, total)
