"""Keys by which applications read knowledge bases: what one may, and how it is known again. Pure, but for the chance in `new_key`."""

import datetime as dt
import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Right = Literal["read", "feedback"]
EVERY = "*"
GRANT = re.compile(r"(\*|[a-z][a-z0-9_]{0,47})(:read)?")
KEY = re.compile(r"kb_([0-9a-f]{12})_([0-9A-Za-z_-]{43})")


@dataclass(frozen=True)
class ApiKey:
    """A key as it is kept. `grants` are names of knowledge bases or `*`; with `:read` behind it, the name lets read and give no feedback.

    `rate` is how many questions a second it may ask, None: as many as the server lets any key.
    """

    key_id: str
    name: str
    secret_hash: bytes = field(repr=False)
    grants: tuple[str, ...]
    rate: float | None
    created_at: dt.datetime
    expires_at: dt.datetime | None
    revoked_at: dt.datetime | None
    by: str

    def may(self, right: Right, name: str) -> bool:
        """Tell whether the key has a right to a knowledge base."""
        return any(base in (EVERY, name) and (right == "read" or not only_read) for base, _, only_read in (g.partition(":") for g in self.grants))

    def ended(self, now: dt.datetime) -> str:
        """Return how the key has ended, "" while it holds."""
        if self.revoked_at:
            return "revoked"
        return "expired" if self.expires_at and self.expires_at <= now else ""


@dataclass(frozen=True)
class NewKey:
    """A key that was just made: `text` is shown once, and kept by nobody but its owner."""

    key_id: str
    text: str = field(repr=False)
    secret_hash: bytes = field(repr=False)


def new_key() -> NewKey:
    """Return a new key."""
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    return NewKey(key_id, f"kb_{key_id}_{secret}", _hash(secret))


def find_key(text: str, keys: Sequence[ApiKey]) -> ApiKey | None:
    """Return the key that somebody shows, whatever it may; None where there is none."""
    shown = KEY.fullmatch(text)
    found = next((key for key in keys if key.key_id == shown[1]), None) if shown else None
    return found if shown and found and hmac.compare_digest(found.secret_hash, _hash(shown[2])) else None


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
