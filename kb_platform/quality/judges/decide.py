"""The judged gate: may this candidate's answers replace the live release's? Pure: votes in, verdict with its reasons out.

By the golden gate's statistics, with two things more, for a judge is not a ruler. A vote that failed is in a bucket of its own and
is never a 0; and a difference that the judge's own noise could make proves nothing, whatever its sign.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from kb_platform.quality.comparison import PairedComparison, adjust_together, compare
from kb_platform.quality.golden import ALL_SLICE
from kb_platform.quality.judges.noise import Noise
from kb_platform.quality.judges.parameters import JudgeParameters
from kb_platform.quality.judges.votes import Panel, Votes, of_metric, scored
from kb_platform.quality.verdict import Reason, Verdict


@dataclass(frozen=True)
class MetricEvidence:
    """What was seen of one metric.

    `mean` is over `queries` judged goldens; `failed` of `asked` votes of both releases gave nothing. `comparison` is over the goldens
    that have a vote on both sides, `differing` of which gave the judge other input than live does. `spread` is the standard
    deviation of one vote on identical input, `noise_floor` how far the mean difference strays by that alone; None where unknown.
    """

    metric: str
    queries: int
    mean: float | None
    floor: float | None
    asked: int
    failed: int
    comparison: PairedComparison | None
    differing: int
    spread: float | None
    noise_floor: float | None

    @property
    def failed_share(self) -> float:
        """Return the share of votes that gave nothing."""
        return self.failed / self.asked if self.asked else 0.0


@dataclass(frozen=True)
class JudgedVerdict:
    """A verdict, why, and the evidence by metric."""

    verdict: Verdict
    reasons: tuple[Reason, ...]
    evidence: tuple[MetricEvidence, ...]

    @property
    def doubted(self) -> tuple[str, ...]:
        """Return the metrics that keep the candidate from passing."""
        return tuple(dict.fromkeys(r.slice for r in self.reasons if r.slice and r.verdict is not Verdict.PASS))

    @property
    def metrics(self) -> dict[str, float]:
        """Return the mean by metric."""
        return {e.metric: e.mean for e in self.evidence if e.mean is not None}

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready evidence."""
        return {"verdict": self.verdict.value, "reasons": [asdict(r) for r in self.reasons], "metrics": self.metrics,
                "by_metric": [asdict(e) for e in self.evidence]}


def decide_answer_quality(
    candidate: Panel, live: Panel | None, parameters: JudgeParameters, noise: Mapping[str, Noise | None]
) -> JudgedVerdict:
    """Return the verdict on votes about a candidate and the live release.

    A floor that is not reached is a regression, and so is a significant loss above min_effect and above the noise floor.
    Inconclusive is: more failed votes than allowed, nothing judged, too few queries or a p value in doubt behind a loss, noise that is
    unknown, or a noise floor above min_effect where it could hide such a loss. Identical input counts as no difference at all.

    Args:
        candidate: votes by golden and metric.
        live: the same of the live release, with the same goldens; None where nothing was promoted yet.
        parameters: what answers are held to.
        noise: the judge's spread by metric; None where it is not known.
    """
    compared = adjust_together([c for name in parameters.metrics if (c := _compare(candidate, live or {}, name, parameters))])
    by_metric = {c.measure: c for c in compared}
    evidence = tuple(_gather(candidate, live or {}, name, parameters, by_metric.get(name), noise.get(name)) for name in parameters.metrics)
    reasons = tuple(reason for e in evidence for reason in _reasons(e, parameters, has_live=live is not None))
    argued = {reason.verdict for reason in reasons}
    verdict = next((v for v in (Verdict.REGRESSION, Verdict.INCONCLUSIVE) if v in argued), Verdict.PASS)
    return JudgedVerdict(verdict, reasons, evidence)


def _pairs(candidate: Panel, live: Panel, metric: str) -> dict[str, tuple[Votes, Votes]]:
    ours, theirs = scored(candidate, metric), scored(live, metric)
    return {golden: (ours[golden], theirs[golden]) for golden in ours if golden in theirs}


def _compare(candidate: Panel, live: Panel, metric: str, parameters: JudgeParameters) -> PairedComparison | None:
    pairs = _pairs(candidate, live, metric)
    if not pairs:
        return None
    ours = {golden: {metric: a.mean} for golden, (a, _) in pairs.items()}
    theirs = {golden: {metric: b.mean} for golden, (_, b) in pairs.items()}
    return compare(metric, ALL_SLICE, list(pairs), ours, theirs, alpha=parameters.alpha, resamples=parameters.resamples, seed=parameters.seed)


def _gather(
    candidate: Panel, live: Panel, metric: str, parameters: JudgeParameters, comparison: PairedComparison | None, noise: Noise | None
) -> MetricEvidence:
    everything = [*of_metric(candidate, metric).values(), *of_metric(live, metric).values()]
    judged, pairs = scored(candidate, metric), _pairs(candidate, live, metric)
    differing = [(len(a.scores), len(b.scores)) for a, b in pairs.values() if a.key != b.key]
    floor = noise.floor(differing, len(pairs), alpha=parameters.alpha) if noise else None if differing else 0.0
    return MetricEvidence(
        metric=metric, queries=len(judged), mean=fmean(v.mean for v in judged.values()) if judged else None,
        floor=parameters.metrics[metric], asked=sum(len(v.scores) + v.failed for v in everything), failed=sum(v.failed for v in everything),
        comparison=comparison, differing=len(differing), spread=noise.spread if noise else None, noise_floor=floor,
    )


def _reasons(e: MetricEvidence, parameters: JudgeParameters, *, has_live: bool) -> Iterator[Reason]:
    def reason(code: str, text: str, verdict: Verdict) -> Reason:
        return Reason(code, text, verdict, e.metric)

    if e.failed_share > parameters.max_error_share:
        text = f"{e.metric}: {e.failed} of {e.asked} votes failed, more than {parameters.max_error_share:.0%}"
        yield reason("votes_failed", text, Verdict.INCONCLUSIVE)
    if e.mean is None:
        yield reason("nothing_judged", f"{e.metric}: no golden has a vote", Verdict.INCONCLUSIVE)
    elif e.floor is not None and e.mean < e.floor - 1e-9:
        text = f"{e.metric} is {e.mean:.3f} over {e.queries} queries, below its floor of {e.floor:g}"
        yield reason("below_floor", text, Verdict.REGRESSION)
    if e.comparison:
        yield from _against_live(e, e.comparison, parameters)
    elif e.mean is not None:
        why = "no golden has a vote on the live release" if has_live else "there is no live release to compare with"
        yield reason("nothing_to_compare", f"{e.metric} is {e.mean:.3f} over {e.queries} queries; {why}", Verdict.PASS)


def _against_live(e: MetricEvidence, c: PairedComparison, parameters: JudgeParameters) -> Iterator[Reason]:
    """Yield what the comparison argues for; there is always one reason, if only the remark of what was compared."""
    said, loss = _difference(e, c), c.difference < -parameters.min_effect - 1e-12
    if e.noise_floor is None:
        text = f"{said}; the judge's noise is not known: too few cases have several votes"
        yield Reason("noise_unknown", text, Verdict.INCONCLUSIVE, e.metric)
    elif c.significantly_worse(max(parameters.min_effect, e.noise_floor)):
        yield Reason("worse_than_live", said, Verdict.REGRESSION, e.metric)
    elif e.noise_floor > parameters.min_effect and c.difference - e.noise_floor < -parameters.min_effect:
        text = f"{said}; the judge's own noise makes differences of {e.noise_floor:.3f}, more than min_effect ({parameters.min_effect:g}):"
        yield Reason("noise_above_min_effect", f"{text} judge more queries, take more votes, or raise min_effect", Verdict.INCONCLUSIVE, e.metric)
    elif loss and c.queries < parameters.min_queries:
        text = f"{said}: too few queries to tell (at least {parameters.min_queries} are needed)"
        yield Reason("too_few_queries", text, Verdict.INCONCLUSIVE, e.metric)
    elif loss and c.p_value <= parameters.suspicion:
        yield Reason("suspicious_loss", f"{said}: suspicious, but not proven", Verdict.INCONCLUSIVE, e.metric)
    else:
        yield Reason("compared_with_live", said, Verdict.PASS, e.metric)


def _difference(e: MetricEvidence, c: PairedComparison) -> str:
    low, high = c.interval
    noise = "unknown" if e.noise_floor is None else f"{e.noise_floor:.3f}"
    return (f"{e.metric} is {c.candidate:.3f} against {c.live:.3f} of the live release over {c.queries} queries ({c.difference:+.3f}, "
            f"interval {low:+.3f} to {high:+.3f}, p {c.adjusted_p:.2g}; {e.differing} with other input, noise floor {noise})")


def worst_queries(candidate: Panel, live: Panel | None, metrics: Sequence[str], limit: int) -> list[dict[str, Any]]:
    """Return the goldens that lost most against live, or score least where there is none, with both sides' votes."""
    rows: list[tuple[float, dict[str, Any]]] = []
    for metric in metrics:
        theirs = scored(live or {}, metric)
        for golden, ours in scored(candidate, metric).items():
            before = theirs.get(golden)
            change = ours.mean - (before.mean if before else 1.0)
            rows.append((change, {"query": golden, "metric": metric, "candidate": list(ours.scores),
                                  "live": list(before.scores) if before else None}))
    rows.sort(key=lambda row: (row[0], row[1]["query"], row[1]["metric"]))
    return [row for change, row in rows if change < 0][:limit]
