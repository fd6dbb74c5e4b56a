"""The golden gate: it catches what got worse, cries no wolf, and says why in sentences."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kb_platform.knowledge.errors import ConfigError
from kb_platform.quality.gate import decide_gate
from kb_platform.quality.gate_parameters import GateParameters
from kb_platform.quality.golden import GoldenSet
from kb_platform.quality.metrics import PerQuery
from kb_platform.quality.verdict import GateVerdict, Verdict
from kb_platform_tests.quality.builders import at_rank, golden_set, scores

PASS, REGRESSION, INCONCLUSIVE = Verdict.PASS, Verdict.REGRESSION, Verdict.INCONCLUSIVE
SLICES = {"numbers": range(40), "acronyms": range(40, 80), "paraphrases": range(80, 120)}


def codes(verdict: GateVerdict) -> list[str]:
    """Return the codes of the reasons that led to the verdict."""
    return [reason.code for reason in verdict.reasons if reason.verdict is verdict.verdict]


def decide(candidate: PerQuery, live: PerQuery | None, goldens: GoldenSet, **parameters: object) -> GateVerdict:
    """Decide with defaults but for the parameters given."""
    return decide_gate(candidate, live, goldens, GateParameters(**parameters))  # type: ignore[arg-type]


# --- against the live release -------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([None, 1, 2, 3, 5]), min_size=1, max_size=40))
def test_identical_results_always_pass(ranks: list[int | None]) -> None:
    goldens = golden_set(len(ranks), critical=3, slices={"even": range(0, 40, 2)})
    same = {g.id: at_rank(rank) for g, rank in zip(goldens.goldens, ranks, strict=True)}
    verdict = decide(same, same, goldens, resamples=1000)
    assert verdict.verdict is PASS
    assert verdict.passed
    assert not verdict.evidence.worse
    assert not verdict.evidence.better


def test_one_flip_passes_and_is_listed() -> None:
    verdict = decide(scores(100, missed=(3,)), scores(100), golden_set(100))
    assert verdict.verdict is PASS
    assert [change.query for change in verdict.evidence.worse] == ["q003"]
    assert verdict.evidence.worse[0].live["Success@5"] == 1.0


def test_a_clear_drop_is_a_regression_with_a_sentence() -> None:
    verdict = decide(scores(100, missed=range(12)), scores(100), golden_set(100))
    assert verdict.verdict is REGRESSION
    assert not verdict.passed
    reason = next(r for r in verdict.reasons if r.code == "worse_than_live")
    assert reason.message.startswith("Success@5 is 0.880 against 1.000 of the live release over 100 queries (-0.120, interval -")
    assert "0 better, 12 worse" in reason.message
    assert verdict.summary.startswith("regression: Success@5 is 0.880")


def test_a_clear_gain_passes() -> None:
    verdict = decide(scores(100), scores(100, missed=range(12)), golden_set(100))
    assert verdict.verdict is PASS
    assert [change.query for change in verdict.evidence.better] == [f"q{n:03}" for n in reversed(range(12))]


def test_a_certain_loss_below_the_minimum_effect_passes() -> None:
    candidate, live, goldens = scores(600, missed=range(10)), scores(600), golden_set(600)
    assert decide(candidate, live, goldens).verdict is PASS
    assert decide(candidate, live, goldens, min_effect=0.01).verdict is REGRESSION


def test_a_loss_that_hides_in_one_slice_is_found_there() -> None:
    goldens = golden_set(600, slices={"rare": range(30), "rest": range(30, 600)})
    verdict = decide(scores(600, missed=range(9)), scores(600), goldens)
    assert verdict.verdict is REGRESSION
    assert [(r.code, r.slice) for r in verdict.reasons if r.verdict is REGRESSION] == [("slice_worse_than_live", "rare")]


def test_answers_that_sink_within_the_first_five_are_noticed_by_the_secondary_measure() -> None:
    candidate, live, goldens = scores(60, ranks=dict.fromkeys(range(20), 4)), scores(60), golden_set(60)
    verdict = decide(candidate, live, goldens)
    assert verdict.verdict is REGRESSION
    assert "nDCG@10 is" in verdict.summary
    assert len(verdict.evidence.worse) == 20
    assert decide(candidate, live, goldens, secondary=()).verdict is PASS


def test_a_suspicious_loss_that_cannot_be_proven_goes_to_a_person() -> None:
    verdict = decide(scores(80, missed=range(4)), scores(80), golden_set(80))
    assert (verdict.verdict, codes(verdict)) == (INCONCLUSIVE, ["suspicious_loss"])
    assert decide(scores(80, missed=range(4)), scores(80), golden_set(80), suspicion=0.05).verdict is PASS


def test_a_loss_among_too_few_queries_goes_to_a_person() -> None:
    verdict = decide(scores(10, missed=(0,)), scores(10), golden_set(10))
    assert (verdict.verdict, codes(verdict)) == (INCONCLUSIVE, ["too_few_queries"])
    assert "at least 30 are needed" in verdict.summary
    assert decide(scores(10), scores(10, missed=(0,)), golden_set(10)).verdict is PASS
    assert decide(scores(10, missed=(0,)), scores(10), golden_set(10), min_queries=5).verdict is PASS


def test_few_queries_that_nearly_all_fail_are_a_regression_all_the_same() -> None:
    assert decide(scores(8, missed=range(6)), scores(8), golden_set(8)).verdict is REGRESSION


def test_a_slice_that_is_the_whole_set_is_not_tested_twice() -> None:
    verdict = decide(scores(40), scores(40), golden_set(40, critical=40, slices={"everything": range(40), "half": range(20)}))
    assert [(c.measure, c.slice) for c in verdict.evidence.comparisons] == [
        ("Success@5", "all"),
        ("nDCG@10", "all"),
        ("Success@5", "half"),
    ]


def test_the_detectable_loss_is_printed_and_shrinks_with_more_queries() -> None:
    few, many = (decide(scores(n), scores(n), golden_set(n)) for n in (50, 500))
    assert (few.minimum_detectable, many.minimum_detectable) == (pytest.approx(0.1), pytest.approx(0.01))
    assert "a loss of 0.100 would be proven in 8 of 10 cases" in few.summary


def test_goldens_that_live_could_not_be_asked_are_not_compared() -> None:
    live = {query: row for query, row in scores(40).items() if query >= "q010"}
    verdict = decide(scores(40, missed=range(10)), live, golden_set(40))
    assert (verdict.verdict, verdict.evidence.compared, verdict.evidence.queries) == (PASS, 30, 40)
    assert verdict.metric == pytest.approx(0.75)


# --- critical goldens -----------------------------------------------------------------------------------------------------


def test_three_critical_goldens_lost_go_to_a_person_where_others_would_pass() -> None:
    goldens = golden_set(200, critical=20)
    verdict = decide(scores(200, missed=range(3)), scores(200), goldens)
    assert (verdict.verdict, codes(verdict)) == (INCONCLUSIVE, ["critical_lost"])
    assert verdict.evidence.critical_lost == ("q000", "q001", "q002")
    assert decide(scores(200, missed=range(20, 23)), scores(200), goldens).verdict is PASS


def test_four_critical_goldens_lost_are_a_regression_where_others_would_pass() -> None:
    goldens = golden_set(200, critical=20)
    verdict = decide(scores(200, missed=range(4)), scores(200), goldens)
    assert (verdict.verdict, codes(verdict)) == (REGRESSION, ["critical_lost"])
    assert verdict.evidence.critical_p == pytest.approx(2 * 0.5**5)
    assert decide(scores(200, missed=range(20, 24)), scores(200), goldens).verdict is PASS


def test_fewer_critical_losses_are_said_and_pass() -> None:
    verdict = decide(scores(200, missed=(0,)), scores(200), golden_set(200, critical=20))
    assert verdict.verdict is PASS
    assert "1 critical golden that live answers in the first five chunks no longer is (0 won, p 0.5)" in verdict.summary


def test_critical_goldens_won_count_against_those_lost() -> None:
    verdict = decide(scores(200, missed=range(3)), scores(200, missed=(5,)), golden_set(200, critical=20))
    assert (verdict.verdict, verdict.evidence.critical_won) == (PASS, ("q005",))


def test_of_many_critical_goldens_a_tenth_must_be_lost() -> None:
    goldens = golden_set(400, critical=60)
    assert decide(scores(400, missed=range(3)), scores(400), goldens).verdict is PASS
    assert decide(scores(400, missed=range(6)), scores(400), goldens).verdict is REGRESSION


def test_the_number_of_critical_losses_can_be_set() -> None:
    goldens = golden_set(200, critical=10)
    assert decide(scores(200, missed=(0,)), scores(200), goldens, critical_losses=1).verdict is INCONCLUSIVE
    assert decide(scores(200, missed=range(4)), scores(200), goldens, critical_losses=5).verdict is PASS


# --- floors and first releases ------------------------------------------------------------------------------------------


def test_a_first_release_without_floors_passes_and_says_so() -> None:
    verdict = decide(scores(20, missed=range(5)), None, golden_set(20))
    assert verdict.verdict is PASS
    assert verdict.minimum_detectable is None
    assert "Success@5 is 0.750 over 20 queries; there is no live release to compare with, no floor is set" in verdict.summary


@pytest.mark.parametrize(
    ("floors", "expected", "slice_name"),
    [
        ({"all": 0.75}, PASS, None),
        ({"all": 0.76}, REGRESSION, "all"),
        ({"critical": 0.1}, REGRESSION, "critical"),
        ({"late": 1.0}, PASS, None),
        ({"early": 0.51}, REGRESSION, "early"),
        ({"all": {"Success@5": 0.7, "RR@10": 0.75}}, PASS, None),
        ({"all": {"Success@5": 0.7, "nDCG@10": 0.9}}, REGRESSION, "all"),
        ({"lat": 0.5}, INCONCLUSIVE, "lat"),
    ],
)
def test_floors_hold_with_and_without_a_live_release(floors: dict[str, float], expected: Verdict, slice_name: str | None) -> None:
    goldens = golden_set(20, critical=3, slices={"early": range(10), "late": range(10, 20)})
    candidate = scores(20, missed=range(5))
    for live in (None, candidate):
        verdict = decide(candidate, live, goldens, floors=floors)
        assert verdict.verdict is expected
        assert slice_name is None or [r.slice for r in verdict.reasons if r.verdict is expected] == [slice_name]


def test_a_floor_is_named_with_the_value_that_missed_it() -> None:
    verdict = decide(scores(20, missed=range(5)), None, golden_set(20), floors={"all": 0.9})
    assert verdict.summary == "regression: Success@5 is 0.750 on slice 'all' (20 queries), below its floor of 0.9"
    assert (verdict.metric, verdict.threshold) == (0.75, 0.9)
    assert not verdict.evidence.floors[0].held


def test_a_mean_that_equals_its_floor_but_for_rounding_holds() -> None:
    assert decide(scores(10, missed=range(3)), None, golden_set(10), floors={"all": 0.7}).verdict is PASS


# --- stale goldens --------------------------------------------------------------------------------------------------------


def test_when_all_goldens_are_stale_nothing_can_be_said() -> None:
    goldens = golden_set(5)
    verdict = decide_gate(
        {}, scores(5), goldens, GateParameters(floors={"all": 0.9}), stale={g.id: "deleted" for g in goldens.goldens}
    )
    assert (verdict.verdict, codes(verdict)) == (INCONCLUSIVE, ["no_fresh_golden"])
    assert verdict.metric is None
    json.dumps(verdict.to_dict(), allow_nan=False)


def test_stale_goldens_are_left_out_counted_and_listed() -> None:
    stale = {"q001": "changed", "q002": "deleted"}
    verdict = decide_gate(scores(50, missed=(1, 2)), scores(50), golden_set(50), stale=stale, live_stale=["q001"])
    assert (verdict.verdict, verdict.metric) == (PASS, 1.0)
    assert (verdict.evidence.queries, verdict.evidence.goldens, verdict.evidence.stale) == (48, 50, stale)
    assert verdict.evidence.newly_stale == ("q002",)
    assert any(r.message == "2 goldens stale and left out, 1 of them since the live release" for r in verdict.reasons)


def test_more_stale_goldens_than_allowed_are_inconclusive() -> None:
    stale = {f"q{n:03}": "changed" for n in range(11)}
    goldens, same = golden_set(50), scores(50)
    assert codes(decide_gate(same, same, goldens, stale=stale, live_stale=stale)) == ["too_many_stale"]
    assert decide_gate(same, same, goldens, GateParameters(max_stale_share=0.22), stale=stale, live_stale=stale).verdict is PASS


def test_a_delivery_that_makes_many_goldens_stale_at_once_is_in_doubt() -> None:
    goldens, same = golden_set(50), scores(50)
    six, five = ({f"q{n:03}": "changed" for n in range(count)} for count in (6, 5))
    verdict = decide_gate(same, same, goldens, stale=six)
    assert (verdict.verdict, codes(verdict)) == (INCONCLUSIVE, ["many_went_stale"])
    assert verdict.summary.endswith("the passages of 6 of 50 goldens changed or vanished with this candidate, more than 10%")
    assert decide_gate(same, same, goldens, stale=five).verdict is PASS
    assert decide_gate(same, same, goldens, stale=six, live_stale=["q000"]).verdict is PASS
    assert decide_gate(same, None, goldens, stale=six).verdict is PASS


def test_answers_that_a_candidate_deletes_are_counted_as_lost_answers_are() -> None:
    goldens, same = golden_set(200), scores(200, missed=(150,))

    def decide_without(count: int, state: str = "deleted", live: PerQuery | None = same, **known: object) -> GateVerdict:
        stale = {f"q{n:03}": state for n in range(count)}
        return decide_gate({q: m for q, m in same.items() if q not in stale}, live, goldens, stale=stale, **known)  # type: ignore[arg-type]

    verdict = decide_without(5)
    assert (verdict.verdict, codes(verdict), verdict.evidence.queries) == (INCONCLUSIVE, ["answers_deleted"], 195)
    assert verdict.summary.endswith("5 of 199 goldens that live answers lost every passage: this candidate deletes them (2.5%, more than 2%)")
    (reason,) = [r for r in verdict.reasons if r.code == "answers_deleted"]
    assert reason.queries == tuple(f"q{n:03}" for n in range(5))
    assert decide_without(4).verdict is PASS, "one or two documents that a source takes out ask nobody"
    assert decide_without(5, "changed").verdict is PASS, "a successor stands there: the golden is to be renewed"
    assert decide_without(5, live_stale=["q004"]).verdict is PASS, "gone before"
    assert decide_without(5, live=None).verdict is PASS
    assert decide_without(5, live=scores(200, missed=range(4))).verdict is PASS, "what live does not answer is not lost"


def test_few_goldens_need_five_deleted_answers_before_anybody_is_asked() -> None:
    goldens, same = golden_set(60), scores(60)
    four, five = ({f"q{n:03}": "deleted" for n in range(count)} for count in (4, 5))
    assert decide_gate(same, same, goldens, stale=four).verdict is PASS
    assert codes(decide_gate(same, same, goldens, stale=five)) == ["answers_deleted"]


def test_a_proven_loss_outweighs_stale_goldens() -> None:
    stale = {f"q{n:03}": "changed" for n in range(20)}
    verdict = decide_gate(scores(50, missed=range(20, 40)), scores(50), golden_set(50), stale=stale)
    assert verdict.verdict is REGRESSION


def test_critical_goldens_that_go_stale_with_the_candidate_need_a_person() -> None:
    stale = {f"q{n:03}": "deleted" for n in range(3)}
    goldens, same = golden_set(50, critical=5), scores(50)
    assert codes(decide_gate(same, same, goldens, stale=stale)) == ["critical_went_stale"]
    edited = {"q000": "changed"}
    assert decide_gate(same, same, goldens, stale=edited).verdict is PASS
    assert codes(decide_gate(same, same, goldens, GateParameters(critical_losses=1), stale=edited)) == ["critical_went_stale"]
    assert decide_gate(same, same, goldens, stale=stale, live_stale=stale).verdict is PASS
    assert decide_gate(same, None, goldens, stale=stale).verdict is PASS


# --- evidence -------------------------------------------------------------------------------------------------------------


def test_the_evidence_is_json_and_holds_what_a_reader_needs() -> None:
    goldens = golden_set(120, critical=5, slices=SLICES)
    shown = json.loads(
        json.dumps(decide(scores(120, missed=range(20)), scores(120), goldens, floors={"all": 0.5}).to_dict(limit=7))
    )
    assert shown["verdict"] == "regression"
    assert (shown["worse_count"], len(shown["worse"]), shown["better_count"]) == (20, 7, 0)
    assert shown["golden_hash"] == goldens.content_hash
    assert shown["floors"] == [
        {"slice": "all", "measure": "Success@5", "floor": 0.5, "value": 100 / 120, "queries": 120, "held": True}
    ]
    assert set(shown["slice_metrics"]) == {"all", "critical", "numbers", "acronyms", "paraphrases"}
    assert shown["slice_metrics"]["numbers"]["Success@5"] == 0.5
    assert shown["live_metrics"]["Success@5"] == 1.0
    assert shown["parameters"]["min_effect"] == 0.02
    assert {"code", "message", "verdict", "slice", "queries"} == set(shown["reasons"][0])
    assert shown["worse"][0]["question"] == "Question 0?"


@settings(max_examples=25, deadline=None)
@given(flips=st.sets(st.integers(0, 59), max_size=25), order=st.randoms())
def test_the_verdict_does_not_depend_on_the_order_of_queries(flips: set[int], order: object) -> None:
    goldens = golden_set(60, critical=6, slices={"a": range(30)})
    candidate, live = scores(60, missed=tuple(flips)), scores(60, missed=(0, 30))
    shuffled = list(candidate.items())
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    parameters = GateParameters(resamples=1000)
    assert decide_gate(candidate, live, goldens, parameters) == decide_gate(dict(shuffled), live, goldens, parameters)


@settings(max_examples=30, deadline=None)
@given(missed=st.integers(0, 40), more=st.integers(1, 20))
def test_missing_more_never_turns_a_regression_into_a_pass(missed: int, more: int) -> None:
    goldens, live, parameters = golden_set(60), scores(60), GateParameters(resamples=1000)
    severity = {PASS: 0, INCONCLUSIVE: 1, REGRESSION: 2}
    less, worse = (decide_gate(scores(60, missed=range(n)), live, goldens, parameters).verdict for n in (missed, missed + more))
    assert severity[worse] >= severity[less]


def test_an_unchanged_index_with_noisy_verdicts_is_rarely_stopped_and_a_real_loss_mostly() -> None:
    generator = np.random.default_rng(9)
    goldens, parameters = golden_set(200, critical=20), GateParameters(resamples=1000)

    def stopped(drop: float, runs: int) -> float:
        verdicts = []
        for _ in range(runs):
            live, luck = generator.random(200) < 0.9, generator.random(200)
            now = np.where(live, luck >= (0.02 + drop) / 0.9, luck < 0.02 / 0.1)
            old, new = (scores(200, missed=tuple(np.flatnonzero(~hits).tolist())) for hits in (live, now))
            verdicts.append(decide_gate(new, old, goldens, parameters).verdict)
        return sum(v is REGRESSION for v in verdicts) / runs

    assert stopped(0.0, 120) <= 0.05
    assert stopped(0.10, 60) >= 0.93


# --- what is refused --------------------------------------------------------------------------------------------------------


def test_a_golden_that_was_not_evaluated_is_an_error_and_not_a_pass() -> None:
    with pytest.raises(ValueError, match=r"1 goldens lack a score for one of .*, the first is 'q004'"):
        decide(scores(4), None, golden_set(5))


def test_a_measure_that_is_missing_on_either_side_is_an_error() -> None:
    bare = {query: {"Success@5": 1.0} for query in scores(3)}
    for candidate, live in ((bare, None), (scores(3), bare)):
        with pytest.raises(ValueError, match="nDCG@10"):
            decide(candidate, live, golden_set(3))
    assert decide(bare, bare, golden_set(3), secondary=()).verdict is PASS


@pytest.mark.parametrize(
    ("make", "where"),
    [
        (lambda: GateParameters(min_effect=-0.1), "gate.min_effect"),
        (lambda: GateParameters(alpha=0), "gate.alpha"),
        (lambda: GateParameters(suspicion=0), "gate.suspicion"),
        (lambda: GateParameters(min_queries=0), "gate.min_queries"),
        (lambda: GateParameters(max_stale_share=1.5), "gate.max_stale_share"),
        (lambda: GateParameters(max_newly_stale_share=-1), "gate.max_newly_stale_share"),
        (lambda: GateParameters(critical_losses=0), "gate.critical_losses"),
        (lambda: GateParameters(resamples=10), "gate.resamples"),
        (lambda: GateParameters(primary="Hit@5"), "unknown measure 'Hit@5'"),
        (lambda: GateParameters(secondary=("nDCG",)), "unknown measure 'nDCG'"),
        (lambda: GateParameters(floors={"all": 95}), "gate.floors.all"),
        (lambda: GateParameters(floors={"all": {"Recall@5": 0.5}}), "gate.floors.all"),
    ],
)
def test_a_parameter_that_cannot_be_meant_is_refused(make: Callable[[], GateParameters], where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert where in str(caught.value)
