"""One knowledge base as the domain sees it: what its YAML said, checked and frozen."""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Source:
    """A place that documents come from. `options` are what its kind understands (ingest/sources/<kind>.py).

    `searchable` metadata fields join the text index; those in `context` are also read by the embedder in front of each chunk.
    """

    name: str
    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    searchable: tuple[str, ...] = ()
    context: tuple[str, ...] = ()


@dataclass(frozen=True)
class KnowledgeBase:
    """A knowledge base: sources in, a gated index out. `folder` holds defs.yaml and golden/."""

    name: str
    folder: Path
    sources: tuple[Source, ...]
    start_date: dt.date
    timezone: str = "UTC"
    gate: Mapping[str, Any] = field(default_factory=dict)
    search: Mapping[str, Any] = field(default_factory=dict)
    max_failed_share: float = 0.1
    index_recall: float = 0.95

    def today(self) -> dt.date:
        """Return the current day in the knowledge base's time zone."""
        return dt.datetime.now(ZoneInfo(self.timezone)).date()

    def source(self, name: str) -> Source:
        """Return a source by name; KeyError if there is none."""
        return {s.name: s for s in self.sources}[name]

    def pipeline(self, *versions: str) -> str:
        """Return 16 hex digits of what decides how documents become rows: code versions and declared fields.

        A change of it makes every delivery count as not applied yet.
        """
        fields = sorted((s.name, list(s.searchable), list(s.context)) for s in self.sources)
        return hashlib.sha256(json.dumps([versions, fields]).encode()).hexdigest()[:16]
