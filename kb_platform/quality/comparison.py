"""Candidate against live on the same queries: one measure, one slice at a time, then adjusted for how many were tried."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from kb_platform.quality.metrics import PerQuery
from kb_platform.quality.statistics import (
    holm,
    minimum_detectable_effect,
    paired_bootstrap,
    sign_flip_test,
    sign_test,
    smallest_clean_loss,
)


@dataclass(frozen=True)
class PairedComparison:
    """One measure in one slice; `candidate`, `live` and `difference` are means over `queries` shared queries.

    `alpha` is the level that `adjusted_p` is held to; `interval` is the bootstrap interval of the difference at 1 - alpha.
    `p_value` is the sign-flip test's, `adjusted_p` what Holm makes of it among the comparisons that share a level; `testable` is
    false where so few queries differ that no outcome could have been significant (then `adjusted_p` is 1). `sign_p` is the exact
    sign test over wins and losses; `minimum_detectable` the loss that would be proven in 8 of 10 cases.
    """

    measure: str
    slice: str
    queries: int
    candidate: float
    live: float
    difference: float
    alpha: float
    interval: tuple[float, float]
    p_value: float
    adjusted_p: float
    testable: bool
    wins: int
    losses: int
    sign_p: float
    minimum_detectable: float

    @property
    def key(self) -> str:
        """Return measure and slice as one name."""
        return f"{self.measure} {self.slice}"

    def significantly_worse(self, min_effect: float) -> bool:
        """Return whether the loss is larger than min_effect and not luck."""
        return self.difference < -min_effect and self.adjusted_p <= self.alpha


def compare(
    measure: str, slice_name: str, queries: Sequence[str], candidate: PerQuery, live: PerQuery, *,
    alpha: float, resamples: int, seed: int,
) -> PairedComparison:
    """Return the paired comparison of a measure over queries that both sides hold; at least one query."""
    ours, theirs = [float(candidate[q][measure]) for q in queries], [float(live[q][measure]) for q in queries]
    differences = [a - b for a, b in zip(ours, theirs, strict=True)]
    wins, losses = sum(d > 1e-12 for d in differences), sum(d < -1e-12 for d in differences)
    p_value = sign_flip_test(differences, resamples=resamples, seed=seed)
    return PairedComparison(
        measure=measure, slice=slice_name, queries=len(queries), candidate=sum(ours) / len(ours), live=sum(theirs) / len(theirs),
        difference=sum(differences) / len(differences),
        alpha=alpha, interval=paired_bootstrap(differences, confidence=1 - alpha, resamples=resamples, seed=seed),
        p_value=p_value, adjusted_p=p_value, testable=wins + losses >= smallest_clean_loss(alpha),
        wins=wins, losses=losses, sign_p=sign_test(wins, losses),
        minimum_detectable=minimum_detectable_effect(differences, alpha=alpha),
    )


def adjust_together(comparisons: Sequence[PairedComparison]) -> list[PairedComparison]:
    """Return comparisons with Holm's adjustment over the testable ones.

    What cannot reach the level whichever way its differences point costs the others nothing: Tarone, A Modified Bonferroni
    Method for Discrete Data, Biometrics 46 (1990).
    """
    adjusted: Mapping[str, float] = holm({c.key: c.p_value for c in comparisons if c.testable})
    return [replace(c, adjusted_p=adjusted.get(c.key, 1.0)) for c in comparisons]
