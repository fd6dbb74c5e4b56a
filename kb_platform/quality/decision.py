"""What a gate without goldens decides: a verdict, the measured number beside its limit, and reasons in sentences."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from kb_platform.quality.verdict import Verdict


@dataclass(frozen=True)
class Decision:
    """One gate's verdict. `reasons` say what failed; empty when it passed. `facts` are further numbers, ready for JSON."""

    name: str
    verdict: Verdict
    metric: float
    threshold: float
    reasons: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls, name: str, metric: float, threshold: float, reasons: list[str], *, otherwise: Verdict = Verdict.REGRESSION,
        facts: Mapping[str, Any] | None = None,
    ) -> "Decision":
        """Return a pass where there is no reason against it, else `otherwise`."""
        return cls(name, otherwise if reasons else Verdict.PASS, metric, threshold, tuple(reasons), facts or {})

    @property
    def passed(self) -> bool:
        """Return whether the release may be promoted."""
        return self.verdict is Verdict.PASS

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready evidence."""
        return asdict(self)
