"""How much a judge disagrees with itself: votes on identical input are an A/A test, and their spread is the noise floor.

Judges have given one input 0.3, 0.98 and 1.0 (deepeval issues 1146, 1265), and a run's mean has moved by 5 points with nothing
changed. A difference that the judge makes by itself says nothing about a candidate.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean

ENOUGH = 5
"""Degrees of freedom below which a spread is not known: two goldens with three votes have four."""


@dataclass(frozen=True)
class Noise:
    """The variance of one vote around the mean of its case, pooled over cases (a one-way analysis of variance within cases)."""

    variance: float
    degrees: int

    @property
    def spread(self) -> float:
        """Return the standard deviation of one vote."""
        return math.sqrt(self.variance)

    def floor(self, votes: Sequence[tuple[int, int]], queries: int, *, alpha: float) -> float:
        """Return how far the mean difference of two releases strays by the judge's noise alone, in 1 - alpha of all cases.

        Args:
            votes: (candidate's, live's) number of votes of each compared query whose input differs; equal input has the same votes.
            queries: how many queries the mean difference is over.
            alpha: two-sided level.
        """
        if not queries:
            return 0.0
        of_sum = math.fsum(self.variance / ours + self.variance / theirs for ours, theirs in votes)
        return NormalDist().inv_cdf(1 - alpha / 2) * math.sqrt(of_sum) / queries


def measure_noise(repeated: Iterable[Sequence[float]]) -> Noise | None:
    """Return the noise from cases with several votes; None where they are too few to tell."""
    squares, degrees = 0.0, 0
    for scores in repeated:
        if len(scores) > 1:
            mean = fmean(scores)
            squares += math.fsum((score - mean) ** 2 for score in scores)
            degrees += len(scores) - 1
    return Noise(squares / degrees, degrees) if degrees >= ENOUGH else None
