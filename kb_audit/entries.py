"""What one entry of the trail says, and the text that stands for it for ever.

The text is JSON as RFC 8785 (JCS) writes it, for the part of JSON that entries use: an object of strings, integers and objects, keys
in ASCII and in order, no blanks, UTF-8. It is stored as it was hashed, so that nobody has to be able to write it again.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

VERSION = 1
LONGEST = 4000  # characters of one text: a trail is no place for documents


@dataclass(frozen=True)
class Person:
    """Who did it, as the token or the task system's own record said."""

    id: str
    issuer: str
    name: str = ""
    roles: tuple[str, ...] = ()
    token_id: str = ""


@dataclass(frozen=True)
class Entry:
    """One thing that happened, or that somebody tried. Ids, digests, people and times: nothing of a document, nothing of a patient."""

    event: str
    at: dt.datetime
    review: str = ""
    run: str = ""
    knowledge_base: str = ""
    case: int = 0
    digest: str = ""
    who: Person | None = None
    meaning: str = ""
    event_id: str = ""
    details: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """Return what makes two entries the same one, told twice."""
        parts = (self.review, self.run, self.event, self.event_id)
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def canonical(entry: Entry) -> str:
    """Return the text that is stored and hashed."""
    said = {
        "at": utc(entry.at), "case": entry.case, "details": dict(entry.details), "digest": entry.digest, "event": entry.event,
        "event_id": entry.event_id, "id": entry.identity, "knowledge_base": entry.knowledge_base, "meaning": entry.meaning,
        "review": entry.review, "run": entry.run, "v": VERSION, "who": _person(entry.who),
    }
    return json.dumps(_storable(said), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def utc(time: dt.datetime) -> str:
    """Return a time in UTC, to the microsecond."""
    return time.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _person(who: Person | None) -> dict[str, str]:
    if who is None:
        return {}
    return {"id": who.id, "issuer": who.issuer, "name": who.name, "roles": " ".join(who.roles), "token": who.token_id}


def _storable(value: object) -> object:
    """Replace what no database stores: what an attacker sent must be recorded too."""
    if isinstance(value, dict):
        return {str(_storable(key)): _storable(each) for key, each in value.items()}
    if not isinstance(value, str):
        return value
    clean = value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    return clean if len(clean) <= LONGEST else clean[:LONGEST] + "…"
