"""Ids in a sentence or a cell: the first ones, and how many more there are."""

from collections.abc import Sequence


def named_ids(ids: Sequence[str], most: int) -> str:
    """Return at most so many ids, and the number of the others."""
    more = len(ids) - most
    return ", ".join(ids[:most]) + (f" and {more} more" if more > 0 else "")
