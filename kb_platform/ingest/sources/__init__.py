"""Sources: one module a kind, each with a class `Source` that is told what is known and says what it has.

A scan streams: a document is in memory only while it is handed over. What is deleted follows from a scan that ended: known ids
that were not seen. A source that cannot be read as a whole raises, so that it never reads as "everything was deleted".
"""

import importlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from kb_platform.knowledge.documents import DocumentFailure, RawDocument


@dataclass(frozen=True)
class Mark:
    """What is known of a document: the digest of its bytes and metadata, and the source's cheap stamp (may be empty)."""

    digest: bytes
    stamp: str = ""


@dataclass(frozen=True)
class Upsert:
    """A document that is new or changed."""

    document: RawDocument
    stamp: str = ""


@dataclass(frozen=True)
class Unchanged:
    """A known document that is as it was."""

    doc_id: str
    stamp: str = ""


@dataclass(frozen=True)
class Failed:
    """A document that could not be read; it counts as seen, so that it is not deleted."""

    failure: DocumentFailure


Item = Upsert | Unchanged | Failed


class Scannable(Protocol):
    """What every kind offers."""

    def scan(self, known: Mapping[str, Mark]) -> Iterator[Item]:
        """Yield what the source has now. Raises SourceError where it cannot be read as a whole."""
        ...


def open_source(kind: str, options: Mapping[str, Any]) -> Scannable:
    """Return the source of a kind: the class `Source` of the module of that name."""
    return importlib.import_module(f"{__name__}.{kind}").Source(**options)


def find_deleted(known: Mapping[str, Mark], seen: Collection[str]) -> set[str]:
    """Return the known documents that a finished scan did not see."""
    return set(known) - set(seen)
