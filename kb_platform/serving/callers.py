"""Who calls: an application with a key, and what its grants let it do; on the loopback anybody, unless keys are asked for there, too."""

import asyncio
import datetime as dt
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kb_platform.knowledge.api_keys import ApiKey, Right, find_key
from kb_platform.serving.metrics import REFUSED
from kb_platform.serving.problems import Problem

FRESH = 5.0  # seconds: so long after it was revoked, a key is let in at most
ASK = {"WWW-Authenticate": "Bearer"}


@dataclass(frozen=True)
class Caller:
    """Who calls. `key` is None for anybody on the loopback, who may do everything."""

    key: ApiKey | None = None

    @property
    def name(self) -> str:
        """Return how logs call it."""
        return self.key.key_id if self.key else "loopback"

    def may(self, right: Right, base: str) -> bool:
        """Tell whether it has a right to a knowledge base."""
        return self.key is None or self.key.may(right, base)

    def require(self, right: Right, base: str) -> None:
        """Refuse what no grant allows, in the same words whether there is such a knowledge base or not.

        Raises:
            Problem: it has not that right.
        """
        if not self.may(right, base):
            REFUSED.labels("forbidden").inc()
            raise Problem(403, "forbidden", "This key has no such grant", f"it may not {'read' if right == 'read' else 'give feedback to'} {base}")


class Callers:
    """Knows the keys, as the database had them a moment ago. Without `load`, everybody is let in."""

    def __init__(self, load: Callable[[], Sequence[ApiKey]] | None) -> None:
        self._load, self._lock = load, asyncio.Lock()
        self._keys: Sequence[ApiKey] = ()
        self._loaded = float("-inf")

    async def caller(self, token: str | None) -> Caller:
        """Return who shows this token.

        Raises:
            Problem: it is no key that holds.
            TransientError: the database does not answer.
        """
        if self._load is None:
            return Caller()
        keys = await self._fresh(self._load)
        key = find_key(token, keys) if token else None
        if key is None or key.ended(dt.datetime.now(dt.UTC)):
            REFUSED.labels("unauthorized").inc()
            said = f"this key is {key.ended(dt.datetime.now(dt.UTC))}" if key else "expected a key: Authorization: Bearer kb_..."
            raise Problem(401, "unauthorized", "Who are you?", said, headers=ASK)
        return Caller(key)

    async def _fresh(self, load: Callable[[], Sequence[ApiKey]]) -> Sequence[ApiKey]:
        if time.monotonic() - self._loaded > FRESH:
            async with self._lock:
                if time.monotonic() - self._loaded > FRESH:
                    self._keys = await asyncio.to_thread(load)
                    self._loaded = time.monotonic()
        return self._keys
