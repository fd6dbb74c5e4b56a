"""What a team may set of the golden gate, checked once, with defaults that stop no unchanged index."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kb_platform.knowledge.errors import ConfigError
from kb_platform.quality.metrics import MEASURES


@dataclass(frozen=True)
class GateParameters:
    """What the gate holds a candidate to. Floors are the team's to set: there is none by default.

    Attributes:
        floors: least mean by slice; `all` is every golden, `critical` every critical one. A number is about the primary
            measure, a mapping names measures: {"all": 0.9, "critical": {"Success@5": 0.95, "RR@10": 0.8}}.
        primary: the measure that is compared overall and in every slice.
        secondary: measures that are compared overall as well; nDCG@10 notices answers that sink without leaving the first five.
        min_effect: smallest mean loss that counts, in the measure's unit; what is significant but smaller passes.
        alpha: two-sided level of the overall comparison; slices and secondary measures together have a fifth of it (Holm). Half
            of it is the side of losses: at most 3 in 100 unchanged candidates are called worse overall, 0.6 in 100 beyond that.
        suspicion: a loss above min_effect whose p value lies between alpha and this is inconclusive.
        min_queries: below so many compared queries any loss above min_effect is inconclusive, for hardly any could be proven.
        max_stale_share: above this share of stale goldens the set says too little: inconclusive.
        max_newly_stale_share: above this share of goldens that live can still be judged by and the candidate cannot, the delivery
            itself is in doubt (a source that lost or mangled documents): inconclusive.
        critical_losses: so many critical goldens lost from the first five, net of those won, and at least a tenth of them, are
            inconclusive, and a regression where twice alpha proves them; so many that went stale with the candidate are
            inconclusive.
        resamples: of bootstrap and permutation.
        seed: of both.
    """

    floors: Mapping[str, float | Mapping[str, float]] = field(default_factory=dict)
    primary: str = "Success@5"
    secondary: tuple[str, ...] = ("nDCG@10",)
    min_effect: float = 0.02
    alpha: float = 0.06
    suspicion: float = 0.2
    min_queries: int = 30
    max_stale_share: float = 0.2
    max_newly_stale_share: float = 0.1
    critical_losses: int = 3
    resamples: int = 10_000
    seed: int = 2007

    def __post_init__(self) -> None:
        """Refuse what cannot be meant; ConfigError names the field."""
        rules = {
            "min_effect": (0 <= self.min_effect < 1, "at least 0 and below 1"),
            "alpha": (0 < self.alpha < 1, "between 0 and 1"),
            "suspicion": (0 < self.suspicion <= 1, "above 0 and at most 1"),
            "min_queries": (self.min_queries >= 1, "at least 1"),
            "max_stale_share": (0 <= self.max_stale_share <= 1, "between 0 and 1"),
            "max_newly_stale_share": (0 <= self.max_newly_stale_share <= 1, "between 0 and 1"),
            "critical_losses": (self.critical_losses >= 1, "at least 1"),
            "resamples": (self.resamples >= 1000, "at least 1000"),
        }
        for name, (holds, expected) in rules.items():
            if not holds:
                raise ConfigError(f"found {getattr(self, name)!r}", where=f"gate.{name}", expected=expected)
        for name in self.measures:
            if name not in MEASURES:
                raise ConfigError(f"unknown measure {name!r}", where="gate", expected=f"one of {', '.join(MEASURES)}")
        for slice_name, measure, value in self.floor_values():
            if measure not in MEASURES or not isinstance(value, (int, float)) or not 0 <= value <= 1:
                where = f"gate.floors.{slice_name}"
                raise ConfigError(f"found {measure}: {value!r}", where=where, expected=f"0 to 1, on one of {', '.join(MEASURES)}")

    @property
    def measures(self) -> tuple[str, ...]:
        """Return the compared measures, the primary one first."""
        return (self.primary, *(m for m in self.secondary if m != self.primary))

    def floor_values(self) -> list[tuple[str, str, float]]:
        """Return (slice, measure, least mean) of every floor."""
        rows: list[tuple[str, str, float]] = []
        for slice_name, floor in self.floors.items():
            by_measure = floor if isinstance(floor, Mapping) else {self.primary: floor}
            rows += [(slice_name, measure, value) for measure, value in by_measure.items()]
        return rows
