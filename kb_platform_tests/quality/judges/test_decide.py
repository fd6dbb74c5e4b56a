"""The judged verdict on made-up votes."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from kb_platform.components.knowledge_base.gate_schema import JUDGED, JudgeModel
from kb_platform.knowledge.errors import ConfigError
from kb_platform.quality.golden import ExpectedPassage, Golden, Severity
from kb_platform.quality.judges.cases import JUDGED_METRICS, Case, answer_key, choose_goldens, reference_of, vote_key
from kb_platform.quality.judges.decide import JudgedVerdict, decide_answer_quality, worst_queries
from kb_platform.quality.judges.noise import Noise, measure_noise
from kb_platform.quality.judges.parameters import JudgeParameters
from kb_platform.quality.judges.votes import Panel, Votes
from kb_platform.quality.verdict import Verdict
from kb_platform_tests.quality.builders import golden

M = "faithfulness"
QUIET = {M: Noise(0.0, 20)}


def panel(scores: list[float | None], side: str = "same", failed: int = 0) -> Panel:
    """Return one vote a golden; None is a vote that failed. Panels of another `side` were given other input."""
    made = {}
    for n, score in enumerate(scores):
        key = f"{side}{n}".encode()
        made[f"q{n:03}"] = {M: Votes(key, failed=1) if score is None else Votes(key, (score,), failed)}
    return made


def decide(candidate: Panel, live: Panel | None = None, noise: Any = QUIET, **parameters: Any) -> JudgedVerdict:
    return decide_answer_quality(candidate, live, JudgeParameters(**({"metrics": {M: None}} | parameters)), noise)


def codes(verdict: JudgedVerdict) -> list[str]:
    return [reason.code for reason in verdict.reasons]


def test_the_same_input_passes_whatever_the_judge_thinks_of_it() -> None:
    verdict = decide(panel([0.3] * 5), panel([0.3] * 5), noise={})
    assert (verdict.verdict, codes(verdict)) == (Verdict.PASS, ["compared_with_live"])


def test_a_floor_that_is_not_reached_is_a_regression_with_and_without_a_live_release() -> None:
    low = panel([0.7] * 40)
    for live in (None, low):
        verdict = decide(low, live, metrics={M: 0.75})
        assert verdict.verdict is Verdict.REGRESSION
        assert verdict.doubted == (M,)
        assert "faithfulness is 0.700 over 40 queries, below its floor of 0.75" in verdict.reasons[0].message
    assert decide(panel([0.75] * 40), None, metrics={M: 0.75}).verdict is Verdict.PASS


def test_a_clear_loss_against_live_is_a_regression() -> None:
    verdict = decide(panel([0.6] * 20 + [0.9] * 20, "new"), panel([0.9] * 40, "old"))
    assert (verdict.verdict, codes(verdict)) == (Verdict.REGRESSION, ["worse_than_live"])
    assert verdict.evidence[0].comparison is not None
    assert verdict.evidence[0].comparison.losses == 20


def test_a_gain_passes() -> None:
    assert decide(panel([0.9] * 40, "new"), panel([0.6] * 40, "old")).verdict is Verdict.PASS


def test_a_loss_among_few_queries_is_inconclusive() -> None:
    assert codes(decide(panel([0.5] * 4 + [0.9] * 6, "new"), panel([0.9] * 10, "old"))) == ["too_few_queries"]


def test_a_suspicious_loss_is_inconclusive() -> None:
    verdict = decide(panel([0.0] * 4 + [1.0] * 36, "new"), panel([1.0] * 40, "old"))
    assert (verdict.verdict, codes(verdict)) == (Verdict.INCONCLUSIVE, ["suspicious_loss"])


def test_a_failed_vote_is_never_a_zero() -> None:
    verdict = decide(panel([0.9] * 39 + [None], "new"), panel([0.9] * 40, "old"))
    assert verdict.metrics == {M: pytest.approx(0.9)}
    assert verdict.verdict is Verdict.PASS
    assert verdict.evidence[0].comparison is not None
    assert verdict.evidence[0].comparison.queries == 39


def test_too_many_failed_votes_are_inconclusive_however_good_the_others_are() -> None:
    verdict = decide(panel([1.0] * 30 + [None] * 5, "new"), panel([0.5] * 35, "old"))
    assert codes(verdict) == ["votes_failed", "compared_with_live"]
    assert "5 of 70 votes failed, more than 5%" in verdict.reasons[0].message


def test_nothing_judged_is_inconclusive() -> None:
    assert codes(decide(panel([None] * 3))) == ["votes_failed", "nothing_judged"]
    assert codes(decide({})) == ["nothing_judged"]


def test_a_min_effect_below_the_judges_own_noise_is_inconclusive() -> None:
    candidate, live = panel([0.8] * 40, "new"), panel([0.82] * 40, "old")
    loud = {M: Noise(0.04, 20)}  # 1.96 * sqrt(2 * 0.04 / 40) = 0.088
    verdict = decide(candidate, live, loud)
    assert codes(verdict) == ["noise_above_min_effect"]
    assert verdict.evidence[0].noise_floor == pytest.approx(0.0877, abs=1e-4)
    assert decide(candidate, live, loud, min_effect=0.1).verdict is Verdict.PASS
    assert decide(panel([0.99] * 40, "new"), live, loud).verdict is Verdict.PASS  # so much better that noise hides no loss


def test_noise_counts_only_where_the_input_differs() -> None:
    live = panel([0.8] * 40, "old")
    changed = {**live, "q000": {M: Votes(b"new", (0.7,))}}
    verdict = decide(changed, live, {M: Noise(0.04, 20)})
    assert (verdict.verdict, verdict.evidence[0].differing) == (Verdict.PASS, 1)
    assert verdict.evidence[0].noise_floor == pytest.approx(1.96 * (0.08**0.5) / 40, rel=1e-3)


def test_a_loss_that_noise_could_make_is_no_regression() -> None:
    candidate, live = panel([0.7] * 40, "new"), panel([0.8] * 40, "old")
    assert decide(candidate, live).verdict is Verdict.REGRESSION
    assert decide(candidate, live, {M: Noise(0.09, 20)}).verdict is Verdict.INCONCLUSIVE


def test_unknown_noise_is_inconclusive() -> None:
    assert codes(decide(panel([0.8] * 40, "new"), panel([0.8] * 40, "old"), {M: None})) == ["noise_unknown"]


def test_an_unchanged_release_judged_anew_is_seldom_stopped_and_a_worse_one_is_caught() -> None:
    rng = np.random.default_rng(1)

    def run(loss: float) -> Verdict:
        truth, k = rng.beta(8, 2, 100), 3
        noisy = [np.clip(t[:, None] + rng.normal(0, 0.1, (100, k)), 0, 1) for t in (truth - loss, truth)]
        sides = [{f"q{n}": {M: Votes(f"{side}{n}".encode(), tuple(row))} for n, row in enumerate(votes)} for side, votes in enumerate(noisy)]
        noise = measure_noise(list(map(tuple, noisy[0][:10])) + list(map(tuple, noisy[1][:10])))
        return decide(sides[0], sides[1], {M: noise}, resamples=1000).verdict

    unchanged, worse = [run(0.0) for _ in range(40)], [run(0.1) for _ in range(40)]
    assert unchanged.count(Verdict.PASS) >= 38
    assert worse.count(Verdict.REGRESSION) >= 38


def test_noise_is_the_spread_within_cases() -> None:
    rng = np.random.default_rng(1)
    votes = rng.uniform(0.2, 0.8, (400, 1)) + rng.normal(0, 0.1, (400, 3))
    noise = measure_noise([tuple(row) for row in votes])
    assert noise is not None
    assert noise.degrees == 800
    assert noise.spread == pytest.approx(0.1, rel=0.05)


def test_the_noise_floor_is_how_far_an_a_a_difference_strays() -> None:
    rng = np.random.default_rng(1)
    differences = (rng.normal(0, 0.1, (5000, 50, 3)).mean(2) - rng.normal(0, 0.1, (5000, 50, 2)).mean(2)).mean(1)
    floor = Noise(0.01, 100).floor([(3, 2)] * 50, 50, alpha=0.05)
    assert (np.abs(differences) > floor).mean() == pytest.approx(0.05, abs=0.01)


def test_too_few_repeated_votes_tell_no_noise() -> None:
    assert measure_noise([(0.5,), (0.2, 0.4, 0.6), (0.1, 0.1, 0.1)]) is None


def test_the_worst_queries_come_first() -> None:
    live = {**panel([0.8, 0.8, 0.8], "old")}
    rows = worst_queries(panel([0.8, 0.1, 0.5], "new"), live, [M], 10)
    assert [(row["query"], row["candidate"], row["live"]) for row in rows] == [("q001", [0.1], [0.8]), ("q002", [0.5], [0.8])]
    assert [row["query"] for row in worst_queries(panel([1.0, 0.1, 0.5]), None, [M], 1)] == ["q001"]


CASE = Case("q1", "Who?", ("One.", "Two."), "One.", "One!")


def test_a_votes_key_changes_with_what_its_metric_reads_and_with_nothing_else() -> None:
    changes = {
        "question": Case("q1", "Why?", CASE.passages, "One.", "One!"), "passages": Case("q1", "Who?", ("Two.", "One."), "One.", "One!"),
        "reference": Case("q1", "Who?", CASE.passages, "Two.", "One!"), "answer": Case("q1", "Who?", CASE.passages, "One.", "Two!"),
    }
    for metric in JUDGED_METRICS.values():
        key = vote_key("judge", metric, "1", CASE)
        assert {field for field, case in changes.items() if vote_key("judge", metric, "1", case) != key} == {
            field for field in changes if getattr(metric, field)
        }
        assert key == vote_key("judge", metric, "1", Case("another id", CASE.question, CASE.passages, CASE.reference, CASE.answer))
        assert len({key, vote_key("other", metric, "1", CASE), vote_key("judge", metric, "2", CASE)}) == 3
    assert len({vote_key("judge", metric, "1", CASE) for metric in JUDGED_METRICS.values()}) == len(JUDGED_METRICS)
    assert len({answer_key(*about, CASE) for about in (("m", "1"), ("n", "1"), ("m", "2"))}) == 3


def test_critical_goldens_are_judged_first_and_always_the_same_ones() -> None:
    goldens = [golden(n, critical=n >= 95) for n in range(100)]
    chosen = choose_goldens(goldens, 20)
    assert [g.severity for g in chosen[:6]] == [Severity.CRITICAL] * 5 + [Severity.NORMAL]
    assert chosen == choose_goldens(goldens[::-1], 20)
    assert chosen == choose_goldens(goldens, 30)[:20]


def test_without_an_answer_of_its_own_a_golden_expects_its_quotes() -> None:
    asked = golden(1)
    assert reference_of(asked) == "Answer 1."
    assert reference_of(Golden("q", "Who?", (ExpectedPassage("doc", None),))) is None
    assert reference_of(Golden(asked.id, asked.question, asked.expected, answer="Number one.")) == "Number one."


def test_the_yaml_says_what_the_parameters_say() -> None:
    given = JudgeModel().model_dump()
    defaults = {field.name: getattr(JudgeParameters(), field.name) for field in fields(JudgeParameters)}
    assert given == {name: value for name, value in defaults.items() if name not in ("resamples", "seed")}
    assert tuple(JUDGED_METRICS) == JUDGED


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"votes": 1}, "gate.judge.votes: found 1; expected 2 to 25"), ({"metrics": {}}, "no metric is named"),
     ({"metrics": {"truth": 0.5}}, "unknown metric 'truth'"), ({"metrics": {M: 1.5}}, r"gate.judge.metrics.faithfulness: found 1\.5"),
     ({"max_error_share": 1}, "max_error_share"), ({"queries": 0}, "queries"), ({"noise": 0}, "noise"), ({"passages": 0}, "passages"),
     ({"min_effect": 1}, "min_effect"), ({"alpha": 0}, "alpha"), ({"suspicion": 0}, "suspicion"), ({"min_queries": 0}, "min_queries"),
     ({"resamples": 10}, "resamples")],
)
def test_parameters_that_cannot_be_meant_are_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        JudgeParameters(**wrong)
