"""Walks over a trail, and names the first row that does not hold. Nothing is held in memory but a batch."""

import gzip
import hashlib
import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from kb_audit.chain import BEGINNING, Break, Row, check
from kb_audit.keys import PublicKeys
from kb_audit.seals import Seal

Status = Literal["intact", "broken", "unproven"]
HISTORY_EXPORTED = "history_exported"
BATCH = 1000


class Trail(Protocol):
    """A trail as one snapshot of the database shows it."""

    def rows(self) -> Iterator[Row]:
        """Yield the rows by their numbers."""
        ...

    def seals(self) -> Iterator[Seal]:
        """Yield the seals that are kept beside it."""
        ...

    def hashes(self, numbers: Iterable[int]) -> Mapping[int, bytes]:
        """Return the hashes of those of the rows that are there."""
        ...

    def history(self, review: str, run: str) -> bytes | None:
        """Return the compressed history of a run, if it is there."""
        ...


@dataclass(frozen=True)
class Verdict:
    """What a verification found. `unproven`: nothing contradicts, but what would prove it is not at hand; `doubts` say what."""

    status: Status
    rows: int
    first: int
    last: int
    head: str
    sealed_through: int
    broken: Break | None
    doubts: tuple[str, ...]


def verify(trail: Trail, keys: PublicKeys, seals: Callable[[], Iterator[Seal]], *, outside_known: bool) -> Verdict:
    """Check the rows, then what the seals say of them. `seals` reads all of them anew; `outside_known`: a file of seals is among them.

    A chain that was written anew is named by the first sealed row that contradicts: the change lies between it and the seal before.
    """
    checkpoints = {each.number: each.hash for each in seals() if each.kind == "checkpoint" and (not keys or each.confirmed(keys))}
    walk = _walk(trail, checkpoints)
    sealed = _compare(trail, keys, seals(), over=max(checkpoints, default=0), last=walk.last)
    broken = min((b for b in (walk.broken, sealed.broken) if b), key=lambda b: b.number, default=None)
    doubts = tuple(_doubts(walk, sealed, keys, outside_known=outside_known))
    status: Status = "broken" if broken else "unproven" if doubts else "intact"
    return Verdict(status, walk.rows, walk.first, walk.last, walk.head.hex(), sealed.confirmed, broken, doubts)


@dataclass
class _Walk:
    rows: int = 0
    first: int = 0
    last: int = 0
    head: bytes = BEGINNING
    broken: Break | None = None


def _walk(trail: Trail, checkpoints: Mapping[int, bytes]) -> _Walk:
    walk = _Walk()
    for row in trail.rows():
        if not walk.rows:
            walk.first = row.number
            if row.number - 1 in checkpoints:
                walk.last, walk.head = row.number - 1, checkpoints[row.number - 1]
        walk.broken = check(row, walk.last + 1, walk.head) or _check_history(trail, row)
        walk.rows += 1
        if walk.broken:
            break
        walk.last, walk.head = row.number, row.hash
    return walk


def _check_history(trail: Trail, row: Row) -> Break | None:
    if row.event != HISTORY_EXPORTED:
        return None
    content, details = trail.history(row.review, str(row.entry.get("run"))), row.entry.get("details")
    if content is None:
        return Break(row.number, "the history that it speaks of is missing")
    same = isinstance(details, dict) and history_digest(content) == details.get("sha256")
    return None if same else Break(row.number, "the history that it speaks of was changed")


def history_digest(content: bytes) -> str:
    """Return the SHA-256 of a compressed history's text; nothing where it cannot be read."""
    try:
        return hashlib.sha256(gzip.decompress(content)).hexdigest()
    except (OSError, EOFError, zlib.error):
        return ""


@dataclass
class _Sealed:
    confirmed: int = 0
    broken: Break | None = None
    unknown_keys: set[str] = field(default_factory=set)


def _compare(trail: Trail, keys: PublicKeys, seals: Iterator[Seal], *, over: int, last: int) -> _Sealed:
    sealed = _Sealed()
    while batch := list(itertools.islice(seals, BATCH)):
        hashes = trail.hashes({each.number for each in batch})
        for each in batch:
            if keys and not keys.knows(each.key_id):
                sealed.unknown_keys.add(each.key_id)
            elif each.number > over or each.number in hashes:
                contradiction = _contradiction(each, keys, hashes.get(each.number), last)
                if contradiction is None:
                    sealed.confirmed = max(sealed.confirmed, each.number if keys else 0)
                elif sealed.broken is None or contradiction.number < sealed.broken.number:
                    sealed.broken = contradiction
    return sealed


def _contradiction(each: Seal, keys: PublicKeys, found: bytes | None, last: int) -> Break | None:
    when = f"the {each.kind} of {each.sealed_at:%Y-%m-%d %H:%M:%S}"
    if keys and not each.confirmed(keys):
        return Break(each.number, f"{when} was not made with key {each.key_id}")
    if found is None:
        first = min(last + 1, each.number)
        return Break(first, f"the rows from {first} are missing: {when} has them up to {each.number}")
    return None if found == each.hash else Break(each.number, f"{when} has another hash: rows up to this one were written anew")


def _doubts(walk: _Walk, sealed: _Sealed, keys: PublicKeys, *, outside_known: bool) -> Iterator[str]:
    if not keys:
        yield "no public key is known, so the seals were not checked: set KB_REVIEW_AUDIT_PUBLIC_KEYS"
    if not outside_known:
        yield "no file of seals is known, so a trail that was cut off with its seals looks whole: set KB_REVIEW_AUDIT_SEALS"
    if sealed.unknown_keys:
        yield f"seals of unknown keys ({', '.join(sorted(sealed.unknown_keys))}) were passed over: add them to KB_REVIEW_AUDIT_PUBLIC_KEYS"
    if keys and walk.rows and not sealed.confirmed:
        yield "no seal confirms any row: is the worker's KB_REVIEW_AUDIT_KEY set?"
