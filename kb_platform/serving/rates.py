"""How often somebody may ask: a bucket of tokens each, in the memory of one server."""

import time
from collections import OrderedDict
from collections.abc import Callable

MOST = 10_000  # callers that are remembered; who comes back after so many others begins with a full bucket
BURST = 2.0  # seconds' worth that may be asked at once


class Rates:
    """Counts what callers ask."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # what is left, and when that was

    def take(self, caller: str, rate: float, cost: int = 1) -> float:
        """Take `cost` questions off a caller's bucket and return 0, or take nothing and return in how many seconds there will be as many.

        What costs more than a full bucket is let through when it is full, and leaves a debt.
        """
        now, full = self._clock(), max(1.0, rate * BURST)
        left, since = self._buckets.pop(caller, (full, now))
        left = min(full, left + (now - since) * rate)
        missing = min(cost, full) - left
        self._buckets[caller] = (left - cost if missing <= 0 else left, now)
        if len(self._buckets) > MOST:
            self._buckets.popitem(last=False)
        return max(0.0, missing / rate)
