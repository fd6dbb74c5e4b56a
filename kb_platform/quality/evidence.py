"""What the golden gate looks at, gathered from per-query scores: floors, paired comparisons, flips. It decides nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kb_platform.quality.comparison import PairedComparison, adjust_together, compare
from kb_platform.quality.gate_parameters import GateParameters
from kb_platform.quality.golden import ALL_SLICE, CRITICAL_SLICE, Golden, GoldenSet, Severity
from kb_platform.quality.metrics import PerQuery, mean_of
from kb_platform.quality.passages import PassageState
from kb_platform.quality.statistics import mcnemar_mid_p

ANSWERED = "Success@5"
"""A golden counts as answered when a passage is among the first five chunks: what an answering model gets to read."""

OTHERS_SHARE = 0.2
"""Slices and secondary measures mostly repeat what the overall comparison says. At 200 queries and a half of alpha they add 0.9
false alarms in 100 to its 2, at a fifth 0.3, and one in 100 losses of five points is missed for it."""


@dataclass(frozen=True)
class FloorResult:
    """A floor and what the candidate reached; `value` is None where no fresh golden is in the slice."""

    slice: str
    measure: str
    floor: float
    value: float | None
    queries: int

    @property
    def held(self) -> bool:
        """Return whether the floor was reached, rounding aside."""
        return self.value is not None and self.value >= self.floor - 1e-9


@dataclass(frozen=True)
class QueryChange:
    """A golden with its measures on candidate and live; `live` is empty where it was not judged there."""

    query: str
    question: str
    severity: str
    slices: tuple[str, ...]
    candidate: dict[str, float]
    live: dict[str, float]


@dataclass(frozen=True)
class GateEvidence:
    """Everything a verdict rests on.

    `queries` goldens were judged, `compared` of them also on the live release (0 where there is none). `metrics` and
    `slice_metrics` are means over the judged ones, `compared_metrics` and `live_metrics` over the compared ones. The first
    comparison is the primary measure over all queries. `worse` and `better` list the largest change first; `unanswered` are the judged
    goldens with no passage among the candidate's first five chunks, critical ones first, whatever live does. `critical_p` is the
    two-sided mid-p value of the critical goldens lost and won. `answers_deleted` are goldens that live answers and whose passages
    the candidate deletes, of `answered_before` that live answers.
    """

    goldens: int
    queries: int
    compared: int
    metrics: dict[str, float]
    slice_metrics: dict[str, dict[str, float]]
    compared_metrics: dict[str, float]
    live_metrics: dict[str, float]
    floors: tuple[FloorResult, ...]
    comparisons: tuple[PairedComparison, ...]
    worse: tuple[QueryChange, ...]
    better: tuple[QueryChange, ...]
    unanswered: tuple[QueryChange, ...]
    critical_compared: int
    critical_lost: tuple[str, ...]
    critical_won: tuple[str, ...]
    critical_p: float
    stale: dict[str, str]
    newly_stale: tuple[str, ...]
    newly_stale_critical: tuple[str, ...]
    answers_deleted: tuple[str, ...]
    answered_before: int
    golden_hash: str

    @property
    def overall(self) -> PairedComparison | None:
        """Return the comparison that decides first; None where there is nothing to compare with."""
        return self.comparisons[0] if self.comparisons else None


def slice_members(goldens: Iterable[Golden]) -> dict[str, list[str]]:
    """Return golden ids by slice: `all`, `critical` where there are any, then the declared slices by name."""
    members: dict[str, list[str]] = {ALL_SLICE: [], CRITICAL_SLICE: []}
    declared: dict[str, list[str]] = {}
    for golden in goldens:
        members[ALL_SLICE].append(golden.id)
        if golden.severity is Severity.CRITICAL:
            members[CRITICAL_SLICE].append(golden.id)
        for name in golden.slices:
            declared.setdefault(name, []).append(golden.id)
    return {name: ids for name, ids in (members | dict(sorted(declared.items()))).items() if ids}


def gather_evidence(
    candidate: PerQuery, live: PerQuery | None, goldens: GoldenSet, parameters: GateParameters,
    stale: Mapping[str, str], live_stale: Iterable[str],
) -> GateEvidence:
    """Return the evidence; ValueError where a golden is neither stale nor in `candidate`, or a measure is missing."""
    fresh, before = [golden for golden in goldens.goldens if golden.id not in stale], live or {}
    shared, members, already = [g for g in fresh if g.id in before], slice_members(fresh), set(live_stale)
    _refuse_gaps(candidate, fresh, parameters)
    _refuse_gaps(before, shared, parameters)
    newly = [g for g in goldens.goldens if live is not None and g.id in stale and g.id not in already]
    worse, better = _changes(candidate, before, shared, parameters.measures)
    answered = {query for query, measures in before.items() if measures[ANSWERED] > 0}
    lost, won = _critical_flips(before, candidate, shared), _critical_flips(candidate, before, shared)
    return GateEvidence(
        goldens=len(goldens.goldens), queries=len(fresh), compared=len(shared),
        metrics=_means(candidate, [g.id for g in fresh]),
        slice_metrics={name: _means(candidate, ids) for name, ids in members.items()},
        compared_metrics=_means(candidate, [g.id for g in shared]), live_metrics=_means(before, [g.id for g in shared]),
        floors=tuple(_floor(candidate, members, *floor) for floor in parameters.floor_values()),
        comparisons=tuple(_comparisons(candidate, before, shared, parameters)),
        worse=worse, better=better, unanswered=_unanswered(candidate, before, fresh, parameters.measures), critical_compared=sum(g.severity is Severity.CRITICAL for g in shared),
        critical_lost=lost, critical_won=won, critical_p=mcnemar_mid_p(len(won), len(lost)),
        stale={golden: str(state) for golden, state in sorted(stale.items())},
        newly_stale=tuple(g.id for g in newly),
        newly_stale_critical=tuple(g.id for g in newly if g.severity is Severity.CRITICAL),
        answers_deleted=tuple(g.id for g in newly if g.id in answered and stale[g.id] == PassageState.DELETED), answered_before=len(answered),
        golden_hash=goldens.content_hash,
    )


def _refuse_gaps(scores: PerQuery, goldens: Sequence[Golden], parameters: GateParameters) -> None:
    needed = {ANSWERED, *parameters.measures, *(measure for _, measure, _ in parameters.floor_values())}
    lacking = [golden.id for golden in goldens if not needed <= set(scores.get(golden.id, ()))]
    if lacking:
        raise ValueError(f"{len(lacking)} goldens lack a score for one of {sorted(needed)}, the first is {lacking[0]!r}")


def _means(scores: PerQuery, queries: Sequence[str]) -> dict[str, float]:
    chosen = {query: scores[query] for query in queries}
    return mean_of(chosen, list(chosen[queries[0]])) if chosen else {}


def _floor(candidate: PerQuery, members: Mapping[str, Sequence[str]], slice_name: str, measure: str, floor: float) -> FloorResult:
    ids = members.get(slice_name, [])
    return FloorResult(slice_name, measure, floor, _means(candidate, ids).get(measure), len(ids))


def _comparisons(
    candidate: PerQuery, live: PerQuery, shared: Sequence[Golden], parameters: GateParameters
) -> list[PairedComparison]:
    """Return all comparisons: the primary measure overall is held to alpha, all others together to OTHERS_SHARE of it.

    One alpha for all would let slices take the overall comparison's power; alpha for both would stop unchanged candidates too
    often. What is bounded is the sum (Bonferroni over the two families, Holm within the second): at most (1 + OTHERS_SHARE) *
    alpha / 2 of unchanged candidates are called worse, for a loss is one of two sides. bench/gate_power.py measures what it
    comes to.
    """
    if not shared:
        return []

    def compared(measure: str, name: str, queries: Sequence[str], alpha: float) -> PairedComparison:
        resamples, seed = parameters.resamples, parameters.seed
        return compare(measure, name, queries, candidate, live, alpha=alpha, resamples=resamples, seed=seed)

    members, share = slice_members(shared), OTHERS_SHARE * parameters.alpha
    overall = compared(parameters.primary, ALL_SLICE, members[ALL_SLICE], parameters.alpha)
    others = [compared(measure, ALL_SLICE, members[ALL_SLICE], share) for measure in parameters.measures[1:]]
    others += [compared(parameters.primary, name, ids, share) for name, ids in _distinct(members)]
    return [overall, *adjust_together(others)]


def _distinct(members: Mapping[str, list[str]]) -> list[tuple[str, list[str]]]:
    """Return slices once each: those of the same queries as another one, or as all, would be tested twice."""
    seen = [members[ALL_SLICE]]
    distinct: list[tuple[str, list[str]]] = []
    for name, ids in members.items():
        if ids not in seen:
            seen.append(ids)
            distinct.append((name, ids))
    return distinct


def _unanswered(candidate: PerQuery, live: PerQuery, fresh: Sequence[Golden], measures: Sequence[str]) -> tuple[QueryChange, ...]:
    found = [golden for golden in fresh if candidate[golden.id][ANSWERED] <= 0]
    found.sort(key=lambda g: (g.severity is not Severity.CRITICAL, *(candidate[g.id][m] for m in measures)))  # stable: goldens come by id
    return tuple(_change(golden, candidate[golden.id], live.get(golden.id, {})) for golden in found)


def _change(golden: Golden, ours: Mapping[str, float], theirs: Mapping[str, float]) -> QueryChange:
    return QueryChange(golden.id, golden.question, golden.severity.value, golden.slices, dict(ours), dict(theirs))


def _critical_flips(answering: PerQuery, failing: PerQuery, shared: Sequence[Golden]) -> tuple[str, ...]:
    """Return critical goldens that one side answers within the first five chunks and the other does not."""
    critical = [g.id for g in shared if g.severity is Severity.CRITICAL]
    return tuple(q for q in critical if answering[q][ANSWERED] > 0 and failing[q][ANSWERED] <= 0)


def _changes(
    candidate: PerQuery, live: PerQuery, shared: Sequence[Golden], measures: Sequence[str]
) -> tuple[tuple[QueryChange, ...], tuple[QueryChange, ...]]:
    """Return queries whose first differing measure fell, and those where it rose."""
    rows: list[tuple[tuple[float, ...], QueryChange]] = []
    unchanged = (0.0,) * len(measures)
    for golden in shared:
        ours, theirs = candidate[golden.id], live[golden.id]
        deltas = tuple([round(ours[m] - theirs[m], 12) for m in measures])
        if deltas != unchanged:
            rows.append((deltas, _change(golden, ours, theirs)))
    rows.sort(key=lambda row: row[0])  # stable: goldens come by id
    worse = tuple(change for deltas, change in rows if deltas < unchanged)
    better = tuple(change for deltas, change in reversed(rows) if deltas > unchanged)
    return worse, better
