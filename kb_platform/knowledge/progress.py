"""How long work tells how far it is: a callable, so that the domain knows nothing of bars or logs."""

from collections.abc import Callable

Progress = Callable[[str, int, int | None], None]


def silent(_what: str, _done: int, _total: int | None) -> None:
    """Tell nobody."""
