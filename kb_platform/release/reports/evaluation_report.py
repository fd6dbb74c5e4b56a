"""The evaluation report: what was known of a release when it was judged. Stored with it as JSON, and the same object when read back.

It is put together from the gates' evidence, which stays as each gate wrote it. What an older evidence lacks is empty in the report:
a reader shows what is there. Field names of the evidence are those of the report, so that nothing is renamed on the way.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import TypeAdapter

from kb_platform.quality.comparison import PairedComparison
from kb_platform.quality.evidence import FloorResult
from kb_platform.quality.found_chunks import FoundChunk
from kb_platform.quality.metrics import MEASURES
from kb_platform.quality.query_scores import QueryScores
from kb_platform.quality.slice_scores import SliceScore
from kb_platform.release.gates import GATES
from kb_platform.storage.gates import GateResult
from kb_platform.storage.releases import Release
from kb_platform.storage.reports import ReleaseChanges

VERSION = 2
"""1 was the evidence by gate, without a version: such a report is put together anew from the verdicts in the database."""


@dataclass(frozen=True)
class GateLine:
    """What one gate said; `reasons` are its sentences, `seconds` how long it took."""

    gate: str
    required: bool
    passed: bool
    verdict: str
    metric: float | None
    threshold: float | None
    reasons: tuple[str, ...] = ()
    seconds: float | None = None

    @property
    def measured(self) -> str:
        """Return what was measured, with its unit."""
        return self._with_unit(self.metric)

    @property
    def limit(self) -> str:
        """Return what it was held to, with its unit."""
        return self._with_unit(self.threshold)

    def _with_unit(self, value: float | None) -> str:
        unit = GATES[self.gate].unit if self.gate in GATES else ""
        if value is None:
            return ""
        return f"{value:.3f}" if not unit else f"{value:.1f}".removesuffix(".0") + f" {unit}"


@dataclass(frozen=True)
class ResultLists:
    """The first hits for one question on both releases, best first."""

    candidate: tuple[FoundChunk, ...] = ()
    live: tuple[FoundChunk, ...] = ()


@dataclass(frozen=True)
class ChangedQuery:
    """A golden that changed against live, or is not answered: its measures on both (none where it was not judged), for the first both lists."""

    query: str
    question: str
    severity: str
    slices: tuple[str, ...]
    candidate: dict[str, float]
    live: dict[str, float]
    results: ResultLists | None = None


@dataclass(frozen=True)
class GoldenResults:
    """The golden queries: `queries` of `goldens` were judged, `compared` of them on the live release too.

    `worse` and `better` list the largest change first, `unanswered` what has no passage among the first five chunks; at most as many as
    the gate stores, where the counts are all.
    """

    goldens: int
    queries: int
    compared: int
    metrics: dict[str, float]
    primary: str = "Success@5"
    release: int | None = None
    compared_with: int | None = None
    compared_metrics: dict[str, float] = field(default_factory=dict)
    live_metrics: dict[str, float] = field(default_factory=dict)
    minimum_detectable: float | None = None
    slice_scores: tuple[SliceScore, ...] = ()
    comparisons: tuple[PairedComparison, ...] = ()
    floors: tuple[FloorResult, ...] = ()
    worse_count: int = 0
    better_count: int = 0
    worse: tuple[ChangedQuery, ...] = ()
    better: tuple[ChangedQuery, ...] = ()
    unanswered_count: int = 0
    unanswered: tuple[ChangedQuery, ...] = ()
    stale: dict[str, str] = field(default_factory=dict)
    newly_stale: tuple[str, ...] = ()
    query_scores: QueryScores | None = None

    @property
    def measures(self) -> tuple[str, ...]:
        """Return the measures, the primary one first, the others in their usual order; JSON in the database keeps none."""
        others = sorted(self.metrics, key=lambda name: (name not in MEASURES, MEASURES.index(name) if name in MEASURES else 0, name))
        return (self.primary, *(name for name in others if name != self.primary))

    @property
    def names(self) -> tuple[str, str]:
        """Return what to call both sides: by their numbers, where the evidence tells them."""
        numbers = (self.release, self.compared_with)
        first, second = (word if number is None else f"release {number}" for number, word in zip(numbers, ("candidate", "live"), strict=True))
        return first, second

    def of_measure(self, measure: str) -> list[SliceScore]:
        """Return a measure's scores by slice."""
        return [score for score in self.slice_scores if score.measure == measure]


@dataclass(frozen=True)
class JudgedMetric:
    """A judged metric's mean over `queries` goldens, and its comparison with the live release where there is one."""

    metric: str
    queries: int
    mean: float | None
    floor: float | None = None
    asked: int = 0
    failed: int = 0
    comparison: PairedComparison | None = None
    noise_floor: float | None = None


@dataclass(frozen=True)
class JudgedResults:
    """What judges said of answers, and what asking them took: requests, tokens, cost (None where no price is set)."""

    judge: str
    answering: str
    by_metric: tuple[JudgedMetric, ...] = ()
    usage: dict[str, float | None] = field(default_factory=dict)
    votes_given: int = 0
    votes_reused: int = 0
    failures: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class EvaluationReport:
    """A release as it was judged. `digest` names the content, `golden_hash` the golden set: only equal sets may be compared."""

    version: int
    knowledge_base: str
    release: int
    base_release: int | None
    compared_with: int | None
    digest: str
    space: str
    pipeline: str
    golden_hash: str | None
    verdict: str | None
    documents: int
    chunks: int
    changes: ReleaseChanges | None
    gates: tuple[GateLine, ...]
    seconds: dict[str, float]
    golden: GoldenResults | None = None
    judged: JudgedResults | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the report ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "EvaluationReport":
        """Return a stored report; pydantic's ValidationError where it is no report of this version."""
        return TypeAdapter(cls).validate_python(stored)


def assemble_report(
    knowledge_base: str, release: Release, verdict: str | None, results: Iterable[GateResult], changes: ReleaseChanges | None = None
) -> EvaluationReport:
    """Return the report on a sealed release from what its gates said; `results` are about the content that it holds now."""
    by_gate = {result.gate: result for result in results}
    lines = tuple(_line(result, required=result.gate in release.required_gates) for result in by_gate.values())
    golden, judged = by_gate.get("golden_retrieval"), by_gate.get("answer_quality")
    found = golden_results(golden.evidence) if golden and golden.golden_hash else None
    return EvaluationReport(
        version=VERSION, knowledge_base=knowledge_base, release=release.release_id, base_release=release.base_release,
        compared_with=found.compared_with if found else None,
        digest=(release.content_digest or b"").hex(), space=release.space_id, pipeline=release.pipeline,
        golden_hash=golden.golden_hash if golden else None, verdict=verdict,
        documents=release.document_count or 0, chunks=release.chunk_count or 0, changes=changes,
        gates=lines, seconds={line.gate: line.seconds for line in lines if line.seconds is not None},
        golden=found, judged=TypeAdapter(JudgedResults).validate_python(judged.evidence) if judged and judged.evidence else None,
    )


def _line(result: GateResult, *, required: bool) -> GateLine:
    return GateLine(result.gate, required, result.passed, result.verdict, result.metric, result.threshold, result.reasons,
                    result.evidence.get("seconds"))


def golden_results(evidence: Mapping[str, Any]) -> GoldenResults:
    """Return the golden gate's evidence as values; from before there were intervals, its means by slice alone."""
    means = [{"slice": name, "measure": measure, "candidate": value}
             for name, values in evidence.get("slice_metrics", {}).items() for measure, value in values.items()]
    return TypeAdapter(GoldenResults).validate_python({"slice_scores": means, **evidence})
