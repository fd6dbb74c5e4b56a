"""Means by slice and measure with their intervals: what a person looks at first. They decide nothing; the gate's comparisons do."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kb_platform.quality.evidence import slice_members
from kb_platform.quality.golden import Golden
from kb_platform.quality.metrics import PerQuery
from kb_platform.quality.statistics import paired_bootstrap

RESAMPLES = 2000  # the ends of an interval move by less than a line's width in a plot

Interval = tuple[float, float]


@dataclass(frozen=True)
class SliceScore:
    """A measure's mean over a slice, with its 95 % bootstrap interval, of the candidate and of the live release.

    Both are over the same `queries` goldens: those that both can be judged by, or all of the candidate's where `live` is None.
    `wins` and `losses` count the goldens that are better and worse than on live. Figures that an older report lacks are None.
    """

    slice: str
    measure: str
    candidate: float
    queries: int | None = None
    interval: Interval | None = None
    live: float | None = None
    live_interval: Interval | None = None
    wins: int = 0
    losses: int = 0


def slice_scores(goldens: Iterable[Golden], candidate: PerQuery, live: PerQuery | None) -> list[SliceScore]:
    """Return every measure in every slice: `all` first, then `critical`, then the declared slices by name."""
    judged = [golden for golden in goldens if golden.id in candidate]
    shared = [golden for golden in judged if golden.id in (live or {})]
    before = live if live and shared else None
    return list(_scores(slice_members(shared or judged), candidate, before)) if judged else []


def _scores(members: Mapping[str, Sequence[str]], candidate: PerQuery, live: PerQuery | None) -> Iterator[SliceScore]:
    for name, queries in members.items():
        for measure in candidate[queries[0]]:
            ours = [float(candidate[q][measure]) for q in queries]
            theirs = [float(live[q][measure]) for q in queries] if live else None
            yield _score(name, measure, ours, theirs)


def _score(name: str, measure: str, ours: list[float], theirs: list[float] | None) -> SliceScore:
    score = SliceScore(name, measure, sum(ours) / len(ours), len(ours), paired_bootstrap(ours, resamples=RESAMPLES))
    if theirs is None:
        return score
    deltas = [a - b for a, b in zip(ours, theirs, strict=True)]
    return SliceScore(
        name, measure, score.candidate, score.queries, score.interval, sum(theirs) / len(theirs), paired_bootstrap(theirs, resamples=RESAMPLES),
        sum(d > 1e-12 for d in deltas), sum(d < -1e-12 for d in deltas),
    )
