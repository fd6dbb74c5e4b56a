"""Signatures of verdicts: HMAC-SHA-256 (RFC 2104) with a key that is not in the database, over all that a verdict says.

Whoever can write to the database can say that a gate has passed, and cannot sign it. The step that promotes checks what counts; `kb verify`
checks every one.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass

import psycopg

from kb_platform.knowledge.errors import ConfigError, GateRefusal
from kb_platform.storage.database import Database

COLUMNS = "release_id, content_digest, g.gate, g.verdict, g.metric, g.threshold, g.golden_hash, g.run_id"


@dataclass(frozen=True)
class Statement:
    """What a gate says, as it is signed: the columns of COLUMNS, of the knowledge base `name`."""

    name: str
    release_id: int
    content_digest: bytes
    gate: str
    verdict: str
    metric: float | None
    threshold: float | None
    golden_hash: str | None
    run_id: str | None

    def message(self) -> bytes:
        """Return the bytes that are signed. JSON keeps a float's every digit, and what is no number apart."""
        parts = [part.hex() if isinstance(part, bytes) else part for part in astuple(self)]
        return json.dumps(["kb-verdict-1", *parts], allow_nan=True).encode()


def sign(keys: Mapping[str, bytes], statement: Statement) -> str:
    """Return `key id:hex` with the first key.

    Raises:
        ConfigError: there is no key.
    """
    if not keys:
        raise ConfigError("there is no key to sign verdicts with", where="KB_GATE_KEYS", expected="`id:base64` of 32 bytes",
                          action="set it (docs/operate.md), the same for all that judges or promotes")
    name, key = next(iter(keys.items()))
    return f"{name}:{hmac.new(key, statement.message(), hashlib.sha256).hexdigest()}"


def is_signed(keys: Mapping[str, bytes], statement: Statement, signature: str) -> bool:
    """Tell whether one of the keys made the signature, of exactly this statement."""
    name, _, value = signature.rpartition(":")
    key = keys.get(name)
    return key is not None and hmac.compare_digest(hmac.new(key, statement.message(), hashlib.sha256).hexdigest(), value)


def check_signatures(database: Database, connection: psycopg.Connection, release_id: int) -> None:
    """Check the verdicts that count for a release. Those of before signatures (digest version 1) have none.

    The transaction of `connection` holds the release, so that no other verdict can be given until it ends.

    Raises:
        GateRefusal: one is not signed with a key of ours; the message names it.
    """
    rows = connection.execute(
        f"""select {COLUMNS}, g.signature from gate_result g join release r using (release_id, content_digest)
            where release_id = %s and g.gate = any (r.required_gates) and r.digest_version > 1 order by g.gate""", (release_id,)).fetchall()
    for *said, signature in rows:
        if not is_signed(database.gate_keys, Statement(database.name, *said), signature):
            raise GateRefusal(f"release {release_id} cannot be promoted: the verdict of {said[2]} carries no signature of a key that is known here",
                              where=database.name, expected="what a gate has signed with a key of KB_GATE_KEYS",
                              action=f"run `kb verify {database.name}`; refresh to have it judged anew")
