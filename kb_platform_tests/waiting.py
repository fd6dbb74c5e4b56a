"""Waiting in tests: for what can be seen, never for a while.

The patience is many times what a quiet machine needs, for one that is slow and busy; only what never comes uses it up.
"""

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE = 900  # seconds; pytest ends a test after 1200
Found = TypeVar("Found")


def wait_until(found: Callable[[], Found], what: str, every: float = 0.1) -> Found:
    """Return what is found as soon as it is true; the test fails with the words and what was seen last when it never is."""
    deadline = time.monotonic() + PATIENCE
    while not (seen := found()):
        assert time.monotonic() < deadline, f"not within {PATIENCE} s: {what}; last seen: {seen!r}"
        time.sleep(every)
    return seen
