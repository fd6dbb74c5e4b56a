"""Names in a file, for one machine: the identity of the embedded default. Everybody who can read the file can be anybody in it.

    {"reviewers": [{"id": "reviewer", "name": "Reviewer", "roles": ["kb-reviewer"], "passphrase": "..."}]}

The passphrases are made here and never chosen, so that no one of somebody's own lies in a file. It is read at each use: an edit counts
at once.
"""

import hmac
import json
import os
import secrets
import time
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError, field_validator

from kb_contracts.decisions import Reviewer

ISSUER = "urn:kb-platform:local"
FIRST = (("reviewer", "Reviewer", "kb-reviewer"), ("second.reviewer", "Second Reviewer", "kb-reviewer"), ("auditor", "Auditor", "kb-auditor"))
TRIES, PAUSE = 5, 30.0  # failures in a row after which a name waits, in seconds


class ReviewersUnreadable(Exception):
    """The file is not what this module writes. One line: where, what, and what to do."""


class TooManyTries(Exception):
    """A name that failed too often just now."""


class _Entry(BaseModel):
    id: str = Field(pattern=r"^[A-Za-z0-9._@-]{1,100}$")
    name: str = Field(default="", max_length=255)
    roles: tuple[str, ...] = Field(min_length=1)
    passphrase: str = Field(min_length=12)


class _File(BaseModel):
    reviewers: tuple[_Entry, ...] = Field(min_length=1)

    @field_validator("reviewers")
    @classmethod
    def _are_different(cls, found: tuple[_Entry, ...]) -> tuple[_Entry, ...]:
        if len({each.id.casefold() for each in found}) != len(found):
            raise ValueError("an id comes twice")
        return found


class LocalReviewers:
    """The reviewers of a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._failures: dict[str, tuple[int, float]] = {}

    def ensure(self) -> None:
        """Make the file, readable by its owner only, unless it is there; check it either way.

        Raises:
            ReviewersUnreadable: it cannot be made or read.
        """
        people = [{"id": id_, "name": name, "roles": [role], "passphrase": secrets.token_urlsafe(15)} for id_, name, role in FIRST]
        draft = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            if not self._path.exists():
                with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                    json.dump({"reviewers": people}, file, indent=1)
                os.link(draft, self._path)  # not over one that another process made meanwhile
        except FileExistsError:
            pass
        except OSError as error:
            raise ReviewersUnreadable(f"{self._path}: cannot be made ({error.strerror}); check KB_REVIEW_LOCAL_REVIEWERS") from None
        finally:
            draft.unlink(missing_ok=True)
        self._read()

    def people(self) -> list[Reviewer]:
        """Return everybody in the file."""
        return [_person(each) for each in self._read()]

    def check(self, name: str, passphrase: str) -> Reviewer | None:
        """Return whom a name and passphrase belong to; None if to nobody.

        Raises:
            TooManyTries: the name has failed too often just now.
        """
        failures, last = self._failures.get(name.casefold(), (0, 0.0))
        if failures >= TRIES and time.monotonic() - last < PAUSE:
            raise TooManyTries
        entry = next((each for each in self._read() if each.id == name), None)
        expected = entry.passphrase if entry else secrets.token_urlsafe(15)
        if hmac.compare_digest(passphrase.encode(), expected.encode()) and entry:
            self._failures.pop(name.casefold(), None)
            return _person(entry)
        if len(self._failures) > 1000:
            self._failures.clear()
        self._failures[name.casefold()] = (failures + 1, time.monotonic())
        return None

    def _read(self) -> tuple[_Entry, ...]:
        try:
            return _File.model_validate_json(self._path.read_bytes()).reviewers
        except OSError as error:
            raise ReviewersUnreadable(f"{self._path}: cannot be read ({error.strerror})") from None
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ReviewersUnreadable(f"{self._path}: {where or 'file'}: {first['msg']}; mend it, or remove it to have a new one made") from None


def _person(entry: _Entry) -> Reviewer:
    return Reviewer(id=entry.id, issuer=ISSUER, name=entry.name or entry.id, roles=entry.roles)
