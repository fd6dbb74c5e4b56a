"""Measures agree with hand calculation and with ir-measures, whatever the ties and the size of scores."""

import math
import subprocess
import sys

import ir_measures
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kb_platform.knowledge.errors import ConfigError
from kb_platform.quality.metrics import MEASURES, evaluate_run, mean_of, rank


def by_hand(grades: dict[str, int], ranking: list[str]) -> dict[str, float]:
    """Return the measures by their definitions."""
    relevant = {item for item, grade in grades.items() if grade > 0}
    hits = [place for place, item in enumerate(ranking, start=1) if item in relevant]
    gain = sum(grades.get(item, 0) / math.log2(place + 1) for place, item in enumerate(ranking[:10], start=1))
    ideal = sum(g / math.log2(place + 1) for place, g in enumerate(sorted(grades.values(), reverse=True)[:10], start=1))
    return {
        "nDCG@10": gain / ideal if ideal else 0.0,
        "R@10": sum(place <= 10 for place in hits) / len(relevant) if relevant else 0.0,
        "RR@10": 1 / hits[0] if hits and hits[0] <= 10 else 0.0,
        "Success@1": float(bool(hits) and hits[0] <= 1),
        "Success@5": float(bool(hits) and hits[0] <= 5),
    }


def test_a_small_run_gives_the_figures_of_a_hand_calculation() -> None:
    qrels = {"q1": {"a": 2, "b": 1, "z": 1}, "q2": {"a": 1}}
    run = {"q1": {"x": 9.0, "b": 8.0, "a": 7.0}, "q2": {"b": 1.0}}
    metrics = evaluate_run(qrels, run)
    ideal = 2 + 1 / math.log2(3) + 1 / 2
    assert metrics.per_query["q1"]["nDCG@10"] == pytest.approx((1 / math.log2(3) + 2 / 2) / ideal)
    assert metrics.per_query["q1"]["R@10"] == pytest.approx(2 / 3)
    assert metrics.per_query["q1"]["RR@10"] == 0.5
    assert metrics.mean["RR@10"] == 0.25
    assert metrics.queries == 2


items = st.sampled_from([f"d{n:02}" for n in range(25)])
judgments = st.dictionaries(
    st.sampled_from(["q1", "q2", "q3"]), st.dictionaries(items, st.integers(0, 3), min_size=1), min_size=1
)
runs = st.dictionaries(
    st.sampled_from(["q1", "q2", "q4"]), st.dictionaries(items, st.sampled_from([0.1, 0.5, 0.5000000001, 3.0, 1e9]))
)


@settings(max_examples=150, deadline=None)
@given(qrels=judgments, run=runs)
def test_measures_follow_their_definitions_for_any_run(
    qrels: dict[str, dict[str, int]], run: dict[str, dict[str, float]]
) -> None:
    metrics = evaluate_run(qrels, run)
    assert list(metrics.per_query) == sorted(qrels)
    for query, grades in qrels.items():
        assert metrics.per_query[query] == pytest.approx(by_hand(grades, rank(run.get(query, {}))))
    assert metrics.mean == pytest.approx(mean_of(metrics.per_query, MEASURES))


@settings(max_examples=50, deadline=None)
@given(qrels=judgments, order=st.permutations([f"d{n:02}" for n in range(25)]))
def test_measures_equal_ir_measures_where_no_scores_tie(qrels: dict[str, dict[str, int]], order: list[str]) -> None:
    run = {query: {item: float(100 - place) for place, item in enumerate(order)} for query in qrels}
    measures = [ir_measures.parse_measure(name) for name in MEASURES]
    reference = {(m.query_id, str(m.measure)): m.value for m in ir_measures.iter_calc(measures, qrels, run)}
    ours = {(q, name): value for q, row in evaluate_run(qrels, run).per_query.items() for name, value in row.items()}
    assert ours == pytest.approx(reference)


def test_ties_are_broken_by_descending_id_whatever_the_order_of_arrival() -> None:
    assert rank({"a": 1.0, "c": 1.0, "b": 2.0}) == rank({"c": 1.0, "b": 2.0, "a": 1.0}) == ["b", "c", "a"]
    one, other = ({"q": dict.fromkeys(order, 1.0)} for order in ("abc", "cba"))
    assert evaluate_run({"q": {"a": 1}}, one) == evaluate_run({"q": {"a": 1}}, other)
    assert evaluate_run({"q": {"a": 1}}, one).per_query["q"]["RR@10"] == pytest.approx(1 / 3)


def test_scores_that_are_equal_as_32_bit_floats_keep_their_order() -> None:
    metrics = evaluate_run({"q": {"a": 1}}, {"q": {"a": 1.0 + 1e-12, "b": 1.0}})
    assert metrics.per_query["q"]["Success@1"] == metrics.per_query["q"]["nDCG@10"] == 1.0


def test_a_query_without_an_answer_counts_as_zero_and_an_unjudged_one_not_at_all() -> None:
    metrics = evaluate_run({"q1": {"a": 1}, "q2": {"a": 1}}, {"q1": {"a": 1.0}, "q9": {"a": 1.0}})
    assert metrics.mean["Success@1"] == 0.5
    assert set(metrics.per_query) == {"q1", "q2"}


def test_any_measure_of_the_library_can_be_asked_for() -> None:
    assert evaluate_run({"q": {"a": 1}}, {"q": {"b": 2.0, "a": 1.0}}, ["AP", "P@2"]).mean == {"AP": 0.5, "P@2": 0.5}


@pytest.mark.parametrize("name", ["nDGC@10", "nDCG@", "", "alpha_nDCG@10"])
def test_an_unknown_measure_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=r"measure .*nDCG@10, R@10"):
        evaluate_run({"q": {"a": 1}}, {}, [name])


def test_no_judgment_at_all_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no query is judged"):
        evaluate_run({}, {"q": {"a": 1.0}})


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="not a number"):
        evaluate_run({"q": {"a": 1}}, {"q": {"a": math.nan}})


def test_the_library_is_not_imported_before_it_is_used() -> None:
    code = "import sys, kb_platform.quality.gate, kb_platform.quality.relevance; sys.exit('ir_measures' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
