"""Sources: one module a kind. A new kind is a new file here, with `Settings` (pydantic) and `Source(settings)`.

A scan streams: a document is in memory only while it is handed over. What is deleted follows from a scan that ended: known ids
that were not seen. A source that cannot be read as a whole raises, so that it never reads as "everything was deleted"; what a
scan cannot tell, it reports as unchanged.
"""

import importlib
import pkgutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError

from kb_platform.knowledge.documents import DocumentFailure, RawDocument
from kb_platform.knowledge.errors import ConfigError, SourceError
from kb_platform.knowledge.wrong_values import in_words


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
    """A known document that is as it was, or of which this scan cannot tell: it stays."""

    doc_id: str
    stamp: str = ""


@dataclass(frozen=True)
class Failed:
    """A document that could not be read, or a part of the source; it counts as seen, so that it is not deleted."""

    failure: DocumentFailure


@dataclass(frozen=True)
class Skipped:
    """Things that are no documents of this source by its settings: how many for one reason, and one of them."""

    reason: str
    count: int
    example: str


Item = Upsert | Unchanged | Failed | Skipped


class Scannable(Protocol):
    """What every kind offers."""

    def scan(self, known: Mapping[str, Mark]) -> Iterator[Item]:
        """Yield what the source has now. Raises SourceError where it cannot be read as a whole."""
        ...


@cache
def source_kinds() -> tuple[str, ...]:
    """Return the kinds there are, by name: the modules of this package."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def settings_model(kind: str) -> type[BaseModel]:
    """Return the settings of a kind, for a YAML schema.

    Raises:
        ConfigError: there is no such kind.
    """
    return _module(kind).Settings


def open_source(kind: str, options: Mapping[str, Any]) -> Scannable:
    """Return the source of a kind.

    Raises:
        ConfigError: there is no such kind, or an option is wrong.
    """
    module = _module(kind)
    try:
        return module.Source(module.Settings.model_validate(dict(options)))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {in_words(e)}" for e in error.errors())
        raise ConfigError(wrong, where=f"source of kind {kind}", action="correct defs.yaml") from None


def find_deleted(known: Mapping[str, Mark], seen: Collection[str]) -> set[str]:
    """Return the known documents that a finished scan did not see. Only a scan that ended without an error may ask."""
    return set(known) - set(seen)


def refuse_emptied(where: str, known: Mapping[str, Mark], *, allow_empty: bool) -> None:
    """Raise if a source that had documents has none at all: that is a mount or an export that is missing, far more often.

    Raises:
        SourceError: unless `allow_empty`.
    """
    if known and not allow_empty:
        raise SourceError(f"holds no documents, and {len(known):,} are known", where=where, expected="at least one document",
                          action="mount or export it again; set `allow_empty: true` if all of them are to be deleted")


def _module(kind: str) -> Any:
    if kind not in source_kinds():
        raise ConfigError(f"unknown kind of source {kind!r}", expected=" or ".join(source_kinds()), action="correct defs.yaml")
    return importlib.import_module(f"{__name__}.{kind}")
