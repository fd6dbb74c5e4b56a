"""Signed statements about the trail, by a key that the database never has.

A seal says: at this time the trail had this many rows, and the last one this hash. A checkpoint says: the rows up to here were removed
because their time was over, and this was the hash of the last of them.

Seals are kept twice: in `review.audit_seal` beside the trail, and as lines of a file outside the database. The table's seals are
against a rewritten chain; the file's are against one that was cut off together with its seals.
"""

import datetime as dt
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kb_audit.entries import utc
from kb_audit.keys import PublicKeys, SealingKey

Kind = Literal["seal", "checkpoint"]


class SealsUnreadable(Exception):
    """A file of seals with a line that is none."""


@dataclass(frozen=True)
class Seal:
    """A signed statement about the row of this number."""

    kind: Kind
    number: int
    hash: bytes
    sealed_at: dt.datetime
    key_id: str
    signature: bytes = b""

    @property
    def message(self) -> bytes:
        """Return what is signed."""
        return f"kb-audit-seal-1\n{self.kind}\n{self.key_id}\n{self.number}\n{self.hash.hex()}\n{utc(self.sealed_at)}".encode()

    def confirmed(self, keys: PublicKeys) -> bool:
        """Tell whether a known key signed it."""
        return keys.knows(self.key_id) and keys.confirms(self.key_id, self.message, self.signature)

    @property
    def line(self) -> str:
        """Return it as a line of the file."""
        return json.dumps({"kind": self.kind, "number": self.number, "hash": self.hash.hex(), "sealed_at": utc(self.sealed_at),
                           "key": self.key_id, "signature": self.signature.hex()})


def seal(kind: Kind, number: int, digest: bytes, at: dt.datetime, key: SealingKey) -> Seal:
    """Return a signed seal."""
    blank = Seal(kind, number, digest, at, key.id)
    return Seal(kind, number, digest, at, key.id, key.sign(blank.message))


def append_seal(path: Path, made: Seal) -> None:
    """Add a line to the file, and return when it is on the disk. A line that a crash left half-written is closed first."""
    with path.open("ab+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(f"{made.line}\n".encode())
        file.flush()
        os.fsync(file.fileno())


def read_seals(path: Path, size: int) -> Iterator[Seal]:
    """Yield the seals in the first bytes of a file, passing over a line that a crash left half-written.

    Raises:
        SealsUnreadable: a complete line is no seal.
    """
    with path.open("rb") as file:
        number = 0
        while file.tell() < size:
            number, line = number + 1, file.readline()
            try:
                yield _read(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                if line.rstrip().endswith(b"}"):
                    raise SealsUnreadable(f"{path}: line {number} is no seal ({type(error).__name__})") from None


def _read(line: dict[str, str | int]) -> Seal:
    kind = line["kind"]
    if kind not in {"seal", "checkpoint"}:
        raise ValueError(kind)
    return Seal("seal" if kind == "seal" else "checkpoint", int(line["number"]), bytes.fromhex(str(line["hash"])),
                dt.datetime.fromisoformat(str(line["sealed_at"])), str(line["key"]), bytes.fromhex(str(line["signature"])))
