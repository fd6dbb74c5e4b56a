"""What a team may set of the judged gate."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kb_platform.knowledge.errors import ConfigError
from kb_platform.quality.judges.cases import JUDGED_METRICS
from kb_platform.quality.statistics import RESAMPLES, SEED


@dataclass(frozen=True)
class JudgeParameters:
    """What judged answers are held to.

    Attributes:
        metrics: least mean by metric; None sets no floor, and the metric is only compared with the live release.
        votes: how often the judge is asked about one case, where one vote did not pass.
        queries: at most so many goldens are judged, critical ones first, the same ones every time: it bounds what a gate costs.
        passages: how many chunks the answering model gets.
        min_effect: smallest mean loss against the live release that counts.
        alpha: two-sided level of the paired tests, over all metrics together (Holm).
        suspicion: a loss above min_effect whose p value lies between alpha and this is inconclusive.
        min_queries: below so many compared goldens any loss above min_effect is inconclusive.
        max_error_share: above this share of calls without a usable vote: inconclusive.
        noise: on so many goldens all votes are always taken, so that the judge's own spread is known.
        resamples: of bootstrap and permutation.
        seed: of both.
    """

    metrics: Mapping[str, float | None] = field(default_factory=lambda: {"faithfulness": None, "answer_relevancy": None})
    votes: int = 3
    queries: int = 100
    passages: int = 5
    min_effect: float = 0.05
    alpha: float = 0.05
    suspicion: float = 0.2
    min_queries: int = 30
    max_error_share: float = 0.05
    noise: int = 10
    resamples: int = RESAMPLES
    seed: int = SEED

    def __post_init__(self) -> None:
        """Refuse what cannot be meant; ConfigError names the field."""
        rules = {
            "votes": (2 <= self.votes <= 25, "2 to 25: one vote alone cannot tell a change from the judge's own noise"),
            "queries": (self.queries >= 1, "at least 1"),
            "passages": (1 <= self.passages <= 50, "1 to 50"),
            "min_effect": (0 <= self.min_effect < 1, "at least 0 and below 1"),
            "alpha": (0 < self.alpha < 1, "between 0 and 1"),
            "suspicion": (0 < self.suspicion <= 1, "above 0 and at most 1"),
            "min_queries": (self.min_queries >= 1, "at least 1"),
            "max_error_share": (0 <= self.max_error_share < 1, "at least 0 and below 1"),
            "noise": (self.noise >= 1, "at least 1"),
            "resamples": (self.resamples >= 1000, "at least 1000"),
        }
        for name, (holds, expected) in rules.items():
            if not holds:
                raise ConfigError(f"found {getattr(self, name)!r}", where=f"gate.judge.{name}", expected=expected)
        if not self.metrics:
            raise ConfigError("no metric is named", where="gate.judge.metrics", expected=f"some of {', '.join(JUDGED_METRICS)}")
        for name, floor in self.metrics.items():
            where = f"gate.judge.metrics.{name}"
            if name not in JUDGED_METRICS:
                raise ConfigError(f"unknown metric {name!r}", where=where, expected=f"one of {', '.join(JUDGED_METRICS)}")
            if floor is not None and not 0 <= floor <= 1:
                raise ConfigError(f"found {floor!r}", where=where, expected="a floor from 0 to 1, or nothing for no floor")

    @property
    def reads_answers(self) -> bool:
        """Return whether a model has to answer the questions first."""
        return any(JUDGED_METRICS[name].answer for name in self.metrics)
