"""The golden gate: may this candidate replace the live release?

A fixed threshold is no gate: at 50 to 200 queries it stops an unchanged index in every fifth run. Floors say what a team never
accepts; beyond them the candidate is compared with the live release on the same goldens, and only a loss that is both large
enough to matter and not luck is a regression. What the evidence cannot decide is inconclusive and goes to a person.

The decision is pure: scores in, verdict with its reasons out. Searching, storing and promoting are elsewhere.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from kb_platform.quality.comparison import PairedComparison
from kb_platform.quality.evidence import FloorResult, GateEvidence, gather_evidence
from kb_platform.quality.gate_parameters import GateParameters
from kb_platform.quality.golden import ALL_SLICE, CRITICAL_SLICE, GoldenSet
from kb_platform.quality.metrics import PerQuery
from kb_platform.quality.statistics import mcnemar_mid_p
from kb_platform.quality.verdict import GateVerdict, Reason, Verdict

CRITICAL_SHARE = 0.1
"""Of many critical goldens a few change sides by luck; from 50 on the paired test on their slice is the sharper rule."""

CRITICAL_LEVEL = 2
"""Critical answers are held to twice alpha, and no minimum effect: four lost without one won are proven, where all goldens need
five. Three of twenty are lost by luck in 6 of 1,000 unchanged candidates: they go to a person."""


def decide_gate(
    candidate: PerQuery,
    live: PerQuery | None,
    goldens: GoldenSet,
    parameters: GateParameters | None = None,
    *,
    stale: Mapping[str, str] | None = None,
    live_stale: Iterable[str] = (),
) -> GateVerdict:
    """Return the verdict on a candidate.

    A floor that is not reached is a regression, whatever live does. Against live, a regression is a significant loss above
    min_effect (overall, in a slice, or in a secondary measure), or a significant loss of critical goldens. Inconclusive is: no
    fresh golden, too many stale ones, many answers that the candidate deletes, a floor on a slice without goldens, or a loss that
    is suspicious but cannot be proven, such as `critical_losses` critical goldens lost on balance. A candidate that answers exactly as live does can be stopped by a floor or by a stale golden set, by nothing else.

    Args:
        candidate: measures by golden id and name (RunMetrics.per_query); every golden that is not stale must be in it.
        live: the same for the live release, evaluated with the same goldens; None where nothing was promoted yet.
        goldens: the golden set.
        parameters: what is held against the candidate; the defaults where None.
        stale: golden id to state, of the goldens that cannot be judged on the candidate (passages.stale_goldens).
        live_stale: ids of the goldens that could not be judged on the live release either.

    Raises:
        ValueError: a golden is neither stale nor in `candidate`, or a measure is missing.
    """
    parameters = parameters or GateParameters()
    evidence = gather_evidence(candidate, live, goldens, parameters, stale or {}, live_stale)
    against = [*_stale_reasons(evidence, parameters), *_floor_reasons(evidence), *_critical_reasons(evidence, parameters),
               *_comparison_reasons(evidence, parameters)]
    verdict = _strongest(against)
    remarks = list(_remarks(evidence, parameters, live is not None, against))
    return GateVerdict(verdict, (*against, *remarks), evidence, parameters)


def _strongest(reasons: list[Reason]) -> Verdict:
    argued = {reason.verdict for reason in reasons}
    return next((v for v in (Verdict.REGRESSION, Verdict.INCONCLUSIVE) if v in argued), Verdict.PASS)


def _stale_reasons(evidence: GateEvidence, parameters: GateParameters) -> Iterator[Reason]:
    stale = tuple(evidence.stale)
    if not evidence.queries:
        text = f"all {evidence.goldens} goldens are stale: nothing could be judged"
        yield Reason("no_fresh_golden", text, Verdict.INCONCLUSIVE, queries=stale)
    elif len(stale) > parameters.max_stale_share * evidence.goldens:
        text = f"{len(stale)} of {evidence.goldens} goldens are stale, more than {parameters.max_stale_share:.0%}"
        yield Reason("too_many_stale", text, Verdict.INCONCLUSIVE, queries=stale)
    newly = evidence.newly_stale
    if evidence.queries and len(newly) > parameters.max_newly_stale_share * evidence.goldens:
        text = f"the passages of {len(newly)} of {evidence.goldens} goldens changed or vanished with this candidate"
        text += f", more than {parameters.max_newly_stale_share:.0%}"
        yield Reason("many_went_stale", text, Verdict.INCONCLUSIVE, queries=newly)
    elif evidence.queries:
        yield from _deleted_reasons(evidence, parameters)
    critical = evidence.newly_stale_critical
    if len(critical) >= parameters.critical_losses:
        text = f"{len(critical)} critical goldens went stale with this candidate: their passages changed or vanished"
        yield Reason("critical_went_stale", text, Verdict.INCONCLUSIVE, queries=critical)


def _deleted_reasons(evidence: GateEvidence, parameters: GateParameters) -> Iterator[Reason]:
    """Hold answers that the delivery deleted to what is asked of any loss: larger than min_effect, and too many to be one document.

    Such goldens are stale and in no measure, so a delivery that drops documents would look as good as before. A source may rightly
    delete them: that is for a person to say, or for whoever takes the goldens out with the documents.
    """
    gone = evidence.answers_deleted
    share = len(gone) / evidence.answered_before if gone else 0.0
    if share > parameters.min_effect and mcnemar_mid_p(0, len(gone)) <= parameters.alpha:
        text = f"{len(gone)} of {evidence.answered_before} goldens that live answers lost every passage: this candidate deletes them"
        text += f" ({share:.1%}, more than {parameters.min_effect:.0%})"
        yield Reason("answers_deleted", text, Verdict.INCONCLUSIVE, queries=gone)


def _floor_reasons(evidence: GateEvidence) -> Iterator[Reason]:
    for floor in evidence.floors:
        if floor.value is None and evidence.queries:
            text = f"the floor on slice {floor.slice!r} cannot be checked: no fresh golden is in it"
            yield Reason("floor_without_goldens", text, Verdict.INCONCLUSIVE, floor.slice)
        elif floor.value is not None and not floor.held:
            yield Reason("below_floor", _below(floor, floor.value), Verdict.REGRESSION, floor.slice)


def _below(floor: FloorResult, value: float) -> str:
    where = f"on slice {floor.slice!r} ({_count(floor.queries, 'query')})"
    return f"{floor.measure} is {value:.3f} {where}, below its floor of {floor.floor:g}"


def _critical_reasons(evidence: GateEvidence, parameters: GateParameters) -> Iterator[Reason]:
    lost, won = evidence.critical_lost, evidence.critical_won
    if not lost:
        return
    limit = max(parameters.critical_losses, math.ceil(CRITICAL_SHARE * evidence.critical_compared))
    text = f"{_count(len(lost), 'critical golden')} that live answers in the first five chunks no longer {_are(lost)}"
    text += f" ({len(won)} won, p {evidence.critical_p:.2g}); {limit} more lost than won are too many"
    verdict = Verdict.PASS
    if len(lost) - len(won) >= limit:
        proven = evidence.critical_p <= CRITICAL_LEVEL * parameters.alpha
        verdict = Verdict.REGRESSION if proven else Verdict.INCONCLUSIVE
    yield Reason("critical_lost", text, verdict, CRITICAL_SLICE, queries=lost)


def _comparison_reasons(evidence: GateEvidence, parameters: GateParameters) -> Iterator[Reason]:
    proven = [c for c in evidence.comparisons if c.significantly_worse(parameters.min_effect)]
    for comparison in proven:
        code = "worse_than_live" if comparison.slice == ALL_SLICE else "slice_worse_than_live"
        yield Reason(code, _loss(comparison), Verdict.REGRESSION, comparison.slice)
    overall = evidence.overall
    if overall is None or overall in proven or overall.difference >= -parameters.min_effect - 1e-12:
        return
    if overall.queries < parameters.min_queries:
        text = f"{_loss(overall)}: too few queries to tell (at least {parameters.min_queries} are needed)"
        yield Reason("too_few_queries", text, Verdict.INCONCLUSIVE, overall.slice)
    elif overall.p_value <= parameters.suspicion:
        text = f"{_loss(overall)}: suspicious, but not proven; {overall.minimum_detectable:.3f} would have been"
        yield Reason("suspicious_loss", text, Verdict.INCONCLUSIVE, overall.slice)


def _remarks(evidence: GateEvidence, parameters: GateParameters, has_live: bool, against: Sequence[Reason]) -> Iterator[Reason]:
    """Yield what a reader should know beside the reasons, and what these have not said yet; none changes the verdict."""
    primary, overall = parameters.primary, evidence.overall
    if overall:
        compared = "" if any(_loss(overall) in reason.message for reason in against) else f"{_loss(overall)}; "
        text = f"{compared}a loss of {overall.minimum_detectable:.3f} would be proven in 8 of 10 cases"
        yield Reason("compared_with_live", text, Verdict.PASS, ALL_SLICE)
    elif evidence.queries:
        why = "no golden could be judged on the live release" if has_live else "there is no live release to compare with"
        floors = "the floors decide" if evidence.floors else "no floor is set"
        text = f"{primary} is {evidence.metrics[primary]:.3f} over {_count(evidence.queries, 'query')}; {why}, {floors}"
        yield Reason("nothing_to_compare", text, Verdict.PASS, ALL_SLICE)
    if evidence.stale:
        newly = len(evidence.newly_stale)
        text = f"{_count(len(evidence.stale), 'golden')} stale and left out, {newly} of them since the live release"
        yield Reason("stale_left_out", text, Verdict.PASS, queries=tuple(evidence.stale))


def _loss(c: PairedComparison) -> str:
    low, high = c.interval
    slice_name = "" if c.slice == ALL_SLICE else f" on slice {c.slice!r}"
    return (
        f"{c.measure}{slice_name} is {c.candidate:.3f} against {c.live:.3f} of the live release over {_count(c.queries, 'query')}"
        f" ({c.difference:+.3f}, interval {low:+.3f} to {high:+.3f}, p {c.adjusted_p:.2g};"
        f" {c.wins} better, {c.losses} worse, sign test p {c.sign_p:.2g})"
    )


def _count(number: int, noun: str) -> str:
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"


def _are(queries: tuple[str, ...]) -> str:
    return "is" if len(queries) == 1 else "are"
