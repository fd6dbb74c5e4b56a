"""One knowledge base as the domain sees it: what its YAML said, checked and frozen."""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from kb_platform.knowledge.alerts import AlertRules
from kb_platform.knowledge.compute import Compute
from kb_platform.knowledge.gate_limits import GateLimits
from kb_platform.knowledge.gpu_window import GpuHours
from kb_platform.knowledge.retention import Retention
from kb_platform.knowledge.review_cases import ReviewRules
from kb_platform.knowledge.spaces import EmbeddingChoice


@dataclass(frozen=True)
class Source:
    """A place that documents come from. `options` are what its kind understands (ingest/sources/<kind>.py).

    `searchable` metadata fields join the text index; those in `context` are also read by the embedder in front of each chunk. `analyzer`
    makes the terms of its texts: that of a language, or `auto`, which chooses one for each document.
    """

    name: str
    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    searchable: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    analyzer: str = "auto"


@dataclass(frozen=True)
class KnowledgeBase:
    """A knowledge base: sources in, a gated index out. `folder` holds defs.yaml and golden/.

    `gate` is about the golden gate, `limits` about the others; `required_gates` None leaves the choice to release/gates, where
    `allow_no_goldens` counts once a release was promoted under goldens. `gpu_hours` hold together with the deployment's; a step may
    embed for `embed_budget`.
    """

    name: str
    folder: Path
    sources: tuple[Source, ...]
    start_date: dt.date
    timezone: str = "UTC"
    embedding: EmbeddingChoice = field(default_factory=EmbeddingChoice)
    gate: Mapping[str, Any] = field(default_factory=dict)
    judge: Mapping[str, Any] | None = None
    search: Mapping[str, Any] = field(default_factory=dict)
    limits: GateLimits = field(default_factory=GateLimits)
    required_gates: tuple[str, ...] | None = None
    review: ReviewRules = field(default_factory=ReviewRules)
    allow_no_goldens: bool = False
    retention: Retention = field(default_factory=Retention)
    compute: Compute = field(default_factory=Compute)
    gpu_hours: tuple[GpuHours, ...] = ()
    embed_budget: dt.timedelta | None = None
    alerts: AlertRules | None = None

    def today(self) -> dt.date:
        """Return the current day in the knowledge base's time zone."""
        return dt.datetime.now(ZoneInfo(self.timezone)).date()

    @property
    def gpu_pool(self) -> str:
        """Return the pool that its embed runs wait in: one of its own if it has hours of its own."""
        return f"gpu_{self.name}" if self.gpu_hours else "gpu"

    def source(self, name: str) -> Source:
        """Return a source by name; KeyError if there is none."""
        return {s.name: s for s in self.sources}[name]

    def pipeline(self, source: str, *versions: str) -> str:
        """Return 16 hex digits of what decides how a source's documents become rows: code versions and declared fields.

        A change of it makes every delivery of the source count as not applied yet; other sources stay as they are.
        """
        s = self.source(source)
        fields = [(s.name, list(s.searchable), list(s.context), s.analyzer)]
        return hashlib.sha256(json.dumps([versions, fields]).encode()).hexdigest()[:16]
