"""When a request is sent again: lost connections, and answers that ask for it."""

import random
import time

import httpx

from kb_client.errors import Busy, Unreachable

FIRST, LONGEST = 0.1, 5.0  # seconds between two attempts, where nobody says how many
NOTHING_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
BROKEN = (*NOTHING_SENT, httpx.ReadError, httpx.WriteError, httpx.CloseError, httpx.RemoteProtocolError)


class Attempts:
    """The attempts at one request to a server, within `patience` seconds. What is not `repeatable` is not sent again once it may have arrived."""

    def __init__(self, server: str, patience: float, *, repeatable: bool) -> None:
        self._server, self._repeatable = server, repeatable
        self._failed, self._end = 0, time.monotonic() + patience

    def wait_after(self, error: httpx.TransportError | Busy) -> float:
        """Return how many seconds to wait before the next attempt.

        Raises:
            KbClientError: there is none.
        """
        if isinstance(error, Busy):
            failure, again, asked = error, True, error.retry_after
        else:
            failure, again, asked = Unreachable(f"{self._server}: {type(error).__name__}: {error}"), is_passing(error, repeatable=self._repeatable), None
        wait = pause(self._failed, asked, self._end - time.monotonic()) if again else None
        if wait is None:
            raise failure
        self._failed += 1
        return wait


def is_passing(error: httpx.TransportError, *, repeatable: bool) -> bool:
    """Tell whether a network's failure is worth another attempt. A server that takes too long is not asked for more of the same."""
    return isinstance(error, BROKEN if repeatable else NOTHING_SENT)


def pause(attempt: int, asked: float | None, left: float) -> float | None:
    """Return how many seconds to wait before the next attempt, None if there is no time left for it.

    As the server asks; where it asks for nothing, or for no pause, longer and longer, spread by chance.
    """
    wait = asked or min(LONGEST, FIRST * 2 ** min(attempt, 10)) * random.uniform(0.5, 1)  # noqa: S311  no secret
    return wait if wait <= left else None
