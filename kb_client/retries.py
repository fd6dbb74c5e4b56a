"""When a request is sent again: lost connections, and answers that ask for it. Pure."""

import random

import httpx

FIRST, LONGEST = 0.1, 5.0  # seconds between two attempts, where nobody says how many
NOTHING_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
BROKEN = (*NOTHING_SENT, httpx.ReadError, httpx.WriteError, httpx.CloseError, httpx.RemoteProtocolError)


def is_passing(error: httpx.TransportError, *, repeatable: bool) -> bool:
    """Tell whether a network's failure is worth another attempt. A server that takes too long is not asked for more of the same."""
    return isinstance(error, BROKEN if repeatable else NOTHING_SENT)


def pause(attempt: int, asked: float | None, left: float) -> float | None:
    """Return how many seconds to wait before the next attempt, None if there is no time left for it: as asked, else longer and longer, spread by chance."""
    wait = asked if asked is not None else min(LONGEST, FIRST * 2**attempt) * random.uniform(0.5, 1)  # noqa: S311  no secret
    return wait if wait <= left else None
