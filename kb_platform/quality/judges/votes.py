"""What a panel of judges said: votes by golden and metric, with what failed kept apart from what was scored."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean


@dataclass(frozen=True)
class Votes:
    """All votes on one golden by one metric. `key` tells whether two releases gave the judge the same input; `failed` never counts as 0."""

    key: bytes
    scores: tuple[float, ...] = ()
    failed: int = 0

    @property
    def mean(self) -> float:
        """Return the mean of the votes: of their maximum a judge's luck would make the best."""
        return fmean(self.scores)


Panel = Mapping[str, Mapping[str, Votes]]
"""Votes by golden id and metric name."""


def of_metric(panel: Panel, metric: str) -> dict[str, Votes]:
    """Return a metric's votes by golden."""
    return {golden: votes[metric] for golden, votes in panel.items() if metric in votes}


def scored(panel: Panel, metric: str) -> dict[str, Votes]:
    """Return a metric's votes by golden, where there is at least one."""
    return {golden: votes for golden, votes in of_metric(panel, metric).items() if votes.scores}
