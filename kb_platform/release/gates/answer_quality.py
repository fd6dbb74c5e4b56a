"""The judged gate on a sealed candidate: is what a model answers from it as good as what it answers from the live release?

One vote on each golden is enough while all is well. Only where that does not pass are all votes of the doubted metrics taken, on
both releases and on every golden, and the verdict is the one on their means: asking again only the goldens that lost would be
asking until they win. Equal input is one vote for both sides, so that a refresh pays for what it changed.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.quality.golden import GoldenSet, load_golden_set
from kb_platform.quality.judges.cases import Case, choose_goldens
from kb_platform.quality.judges.configured import configured_judge
from kb_platform.quality.judges.decide import JudgedVerdict, decide_answer_quality, worst_queries
from kb_platform.quality.judges.endpoint import Judge
from kb_platform.quality.judges.noise import Noise, measure_noise
from kb_platform.quality.judges.panel import metric_version
from kb_platform.quality.judges.parameters import JudgeParameters
from kb_platform.quality.judges.votes import Panel, Votes
from kb_platform.quality.verdict import Reason, Verdict
from kb_platform.release.gates import golden_retrieval
from kb_platform.release.gates.subject import Subject
from kb_platform.release.judged_cases import Answered, answer_cases, fresh_goldens, retrieve_cases
from kb_platform.release.judged_votes import Ledger
from kb_platform.settings import current_settings
from kb_platform.storage.database import Database
from kb_platform.storage.gates import GateResult
from kb_platform.storage.judge_votes import repeated_scores

LISTED = 50


@dataclass(frozen=True)
class Judged:
    """A verdict, the votes that it rests on, and the metrics that were asked again before it."""

    verdict: JudgedVerdict
    panels: Sequence[Panel]
    confirmed: tuple[str, ...]


def lacking(kb: KnowledgeBase) -> str:
    """Name the first of what is not there: `gate.judge` in the YAML, a judge, goldens."""
    if kb.judge is None:
        return "defs.yaml has no gate.judge"
    if configured_judge(current_settings()) is None:
        return "no judge is configured: KB_JUDGE_URL is not set"
    return golden_retrieval.lacking(kb)


def measure(subject: Subject) -> GateResult | None:
    """Judge a release's answers against the live one's; None where the gate does not apply."""
    judge = configured_judge(current_settings())
    return None if judge is None else judge_answers(subject, judge)


def judge_answers(subject: Subject, judge: Judge) -> GateResult | None:
    """Judge a release's answers by a judge; None where the YAML asks for none, or there is no golden."""
    goldens = load_golden_set(subject.kb.folder / "golden")
    if subject.kb.judge is None or goldens is None:
        return None
    parameters = JudgeParameters(**subject.kb.judge)
    sides = _cases(subject, goldens, parameters)
    answered = Answered(sides)
    if parameters.reads_answers:
        answered = answer_cases(subject.database, judge.answering, sides, parameters.max_error_share, subject.progress)
    ledger = Ledger(subject.database, judge.judging, parameters.max_error_share, subject.progress)
    judged = confirm(ledger, answered.sides, parameters, _noise(subject.database, judge, parameters))
    evidence = judged.verdict.to_dict() | _account(judge, answered, ledger, judged, goldens)
    verdict, first = judged.verdict.verdict, judged.verdict.evidence[0]
    return GateResult("answer_quality", verdict is Verdict.PASS, verdict.value, first.mean, first.floor, evidence, goldens.content_hash)


def _cases(subject: Subject, goldens: GoldenSet, parameters: JudgeParameters) -> tuple[tuple[Case, ...], ...]:
    """Return the candidate's cases and, where there is a live release, its cases: of the same goldens, as far as they hold there."""
    store, candidate, live = subject.store, subject.release.release_id, subject.live
    chosen = choose_goldens(fresh_goldens(store, candidate, goldens.goldens), parameters.queries)
    by_release = {candidate: chosen} | ({} if live is None else {live: fresh_goldens(store, live, chosen)})
    return tuple(retrieve_cases(store, subject.kb, r, fresh, subject.load_embedder, parameters.passages) for r, fresh in by_release.items())


def confirm(
    ledger: Ledger, sides: Sequence[tuple[Case, ...]], parameters: JudgeParameters, noise: Callable[[], dict[str, Noise | None]]
) -> Judged:
    """Return the verdict on one vote a case; where it is no pass, the verdict on all votes of the metrics that stood in its way."""
    metrics, sampled = tuple(parameters.metrics), {case.golden for case in sides[0][: parameters.noise]}
    panels = ledger.panels(sides, metrics, lambda _metric, golden: parameters.votes if golden in sampled else 1)
    once = [{golden: {name: _first(v) for name, v in votes.items()} for golden, votes in panel.items()} for panel in panels]
    verdict = decide_answer_quality(*_both(once), parameters, noise())
    if verdict.verdict is Verdict.PASS or ledger.failed_too_often():
        return Judged(verdict, once, ())
    doubted = verdict.doubted
    again = ledger.panels(sides, doubted, lambda _metric, _golden: parameters.votes)
    panels = [{golden: {**votes, **more.get(golden, {})} for golden, votes in panel.items()} for panel, more in zip(once, again, strict=True)]
    return Judged(decide_answer_quality(*_both(panels), parameters, noise()), panels, doubted)


def _first(votes: Votes) -> Votes:
    return Votes(votes.key, votes.scores[:1], votes.failed)


def _both(panels: Sequence[Panel]) -> tuple[Panel, Panel | None]:
    return panels[0], panels[1] if len(panels) > 1 else None


def _noise(database: Database, judge: Judge, parameters: JudgeParameters) -> Callable[[], dict[str, Noise | None]]:
    """Return a measurement of the judge's noise on everything that it was ever asked several times."""

    def measure() -> dict[str, Noise | None]:
        version = metric_version()
        return {name: measure_noise(repeated_scores(database, judge.judging.model, name, version)) for name in parameters.metrics}

    return measure


def _account(judge: Judge, answered: Answered, ledger: Ledger, judged: Judged, goldens: GoldenSet) -> dict[str, Any]:
    """Return what the verdict cost and what failed, beside the goldens that did worst; reasons end with an example of each failure."""
    errors = [*(failed.error for failed in answered.failed), *ledger.failures.values()]
    examples = {error.kind: str(error) for error in errors}
    failures = Counter(error.kind for error in errors)
    remarks = tuple(Reason("calls_failed", f"{failures[kind]} {kind}: {text}", Verdict.PASS) for kind, text in examples.items())
    candidate, live = _both(judged.panels)
    return {
        "reasons": [asdict(reason) for reason in (*judged.verdict.reasons, *remarks)],
        "judge": judge.judging.model, "answering": judge.answering.model, "goldens": len(goldens.goldens),
        "judged": len(answered.sides[0]), "golden_hash": goldens.content_hash, "confirmed": list(judged.confirmed),
        "votes_given": ledger.given, "votes_reused": ledger.reused, "usage": asdict(answered.usage + ledger.usage),
        "failures": {kind.value: count for kind, count in failures.items()},
        "worst": worst_queries(candidate, live, list(judged.verdict.metrics), LISTED),
    }
