"""The golden gate's answer: a verdict of three values, its reasons, and the evidence, ready to be stored as JSON."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from kb_platform.quality.evidence import GateEvidence
from kb_platform.quality.gate_parameters import GateParameters
from kb_platform.quality.golden import ALL_SLICE

LISTED = 200


class Verdict(StrEnum):
    """Pass may be promoted; a regression may not; an inconclusive one needs a person."""

    PASS = "pass"
    REGRESSION = "regression"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Reason:
    """One finding: a code for machines, a sentence for people, the verdict that it argues for, and what it is about."""

    code: str
    message: str
    verdict: Verdict
    slice: str | None = None
    queries: tuple[str, ...] = ()


@dataclass(frozen=True)
class GateVerdict:
    """A verdict, why, on which evidence, and under which parameters."""

    verdict: Verdict
    reasons: tuple[Reason, ...]
    evidence: GateEvidence
    parameters: GateParameters

    @property
    def passed(self) -> bool:
        """Return whether the candidate may be promoted."""
        return self.verdict is Verdict.PASS

    @property
    def metric(self) -> float | None:
        """Return the primary measure's mean over all judged goldens; None where none could be judged."""
        return self.evidence.metrics.get(self.parameters.primary)

    @property
    def threshold(self) -> float | None:
        """Return the floor of the primary measure over all goldens, if there is one."""
        wanted = (ALL_SLICE, self.parameters.primary)
        return next((f.floor for f in self.evidence.floors if (f.slice, f.measure) == wanted), None)

    @property
    def minimum_detectable(self) -> float | None:
        """Return the loss that this comparison would have proven in 8 of 10 cases; None without a live release."""
        overall = self.evidence.overall
        return overall.minimum_detectable if overall else None

    @property
    def summary(self) -> str:
        """Return the verdict and the sentences that led to it, as one line."""
        return f"{self.verdict.value}: {'; '.join(r.message for r in self.reasons if r.verdict is self.verdict)}"

    def to_dict(self, limit: int = LISTED) -> dict[str, Any]:
        """Return JSON-ready evidence; at most `limit` queries of a kind are listed, their counts are complete."""
        evidence = asdict(self.evidence)
        evidence |= {kind: evidence[kind][:limit] for kind in ("worse", "better", "unanswered")}
        evidence["floors"] = [asdict(floor) | {"held": floor.held} for floor in self.evidence.floors]
        return {
            "verdict": self.verdict.value,
            "summary": self.summary,
            "primary": self.parameters.primary,
            "metric": self.metric,
            "threshold": self.threshold,
            "minimum_detectable": self.minimum_detectable,
            "reasons": [asdict(reason) for reason in self.reasons],
            "worse_count": len(self.evidence.worse),
            "better_count": len(self.evidence.better),
            "unanswered_count": len(self.evidence.unanswered),
            **evidence,
            "parameters": asdict(self.parameters),
        }
