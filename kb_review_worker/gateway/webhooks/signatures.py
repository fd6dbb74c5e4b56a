"""Signed webhooks as Standard Webhooks describes them (standardwebhooks.com, 1.0): HMAC-SHA-256 over `id.timestamp.body`.

    webhook-id         the event's id: the same at each delivery
    webhook-timestamp  seconds since 1970, of this delivery
    webhook-signature  v1,<base64>, more than one separated by blanks while secrets are rotated

Pure. A copy that is sent after the window is refused; one within it has the id of an event that is known, and no effect.
"""

import base64
import binascii
import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ID = re.compile(r"[\x21-\x7e]{1,128}")


class SignatureRefused(Exception):
    """Why a webhook is not what its sender signed, as a word for the trail."""


@dataclass(frozen=True)
class Signed:
    """A webhook whose signature holds."""

    id: str
    sent_at: dt.datetime


def check(headers: Mapping[str, str], body: bytes, secrets: Sequence[bytes], now: dt.datetime, window: dt.timedelta) -> Signed:
    """Return the id and time of a webhook.

    Raises:
        SignatureRefused: it is unsigned, forged, or from another time.
    """
    id_, timestamp, given = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not given:
        raise SignatureRefused("unsigned")
    if not ID.fullmatch(id_) or not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 11:
        raise SignatureRefused("malformed")
    if not any(_matches(signature(secret, id_, timestamp, body), given) for secret in secrets):
        raise SignatureRefused("forged")
    sent_at = dt.datetime.fromtimestamp(int(timestamp), dt.UTC)
    if abs(now - sent_at) > window:
        raise SignatureRefused("replayed")
    return Signed(id_, sent_at)


def signature(secret: bytes, id_: str, timestamp: str, body: bytes) -> bytes:
    """Return the signature of a webhook."""
    return hmac.digest(secret, f"{id_}.{timestamp}.".encode() + body, hashlib.sha256)


def _matches(expected: bytes, given: str) -> bool:
    """Compare in constant time, whichever of the given ones it is."""
    found = False
    for each in given.split()[:10]:
        version, _, value = each.partition(",")
        try:
            decoded = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            continue
        found |= version == "v1" and hmac.compare_digest(decoded, expected)
    return found
