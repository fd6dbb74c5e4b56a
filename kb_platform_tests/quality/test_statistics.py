"""The statistics agree with scipy, with enumeration and with their own definitions, and never depend on the order of queries."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from kb_platform.quality.statistics import (
    holm,
    mcnemar_mid_p,
    minimum_detectable_effect,
    paired_bootstrap,
    sign_flip_test,
    sign_test,
    smallest_clean_loss,
)

rng = np.random.default_rng(11)
BINARY = np.array([-1.0] * 14 + [1.0] * 4 + [0.0] * 182)
GRADED = rng.normal(-0.02, 0.2, 150).round(3)

counts = st.integers(0, 40)
differences = st.lists(st.sampled_from([-1.0, -0.5, -1 / 3, 0.0, 0.0, 0.25, 1 / 3, 1.0]), min_size=1, max_size=40)


@given(wins=counts, losses=counts)
def test_the_sign_test_is_scipys_exact_binomial_test(wins: int, losses: int) -> None:
    expected = stats.binomtest(wins, wins + losses, 0.5).pvalue if wins + losses else 1.0
    assert sign_test(wins, losses) == pytest.approx(expected)


@given(wins=counts, losses=counts)
def test_mcnemars_mid_p_is_the_sign_flip_test_of_that_many_flips(wins: int, losses: int) -> None:
    assert mcnemar_mid_p(wins, losses) == sign_flip_test([1.0] * wins + [-1.0] * losses + [0.0])


def test_six_clean_losses_are_the_first_that_the_sign_test_believes() -> None:
    assert [round(sign_test(0, k), 5) for k in (5, 6)] == [0.0625, 0.03125]


def test_the_sign_test_stands_large_counts_and_numpy_integers() -> None:
    assert sign_test(np.int64(30), np.int64(70)) == pytest.approx(stats.binomtest(30, 100, 0.5).pvalue)  # type: ignore[arg-type]
    assert 0 < sign_test(4700, 5300) < 1e-8


@given(values=differences.filter(lambda d: sum(x != 0 for x in d) <= 8))
def test_few_differences_are_tested_by_enumerating_every_sign_pattern(values: list[float]) -> None:
    nonzero = [v for v in values if v]
    patterns = itertools.product((1, -1), repeat=len(nonzero))
    sums = [abs(sum(s * v for s, v in zip(signs, nonzero, strict=True))) for signs in patterns]
    observed = abs(sum(nonzero))
    beyond, equal = sum(s > observed + 1e-9 for s in sums), sum(abs(s - observed) <= 1e-9 for s in sums)
    expected = (beyond + equal / 2) / len(sums) if nonzero else 1.0
    assert sign_flip_test(values) == pytest.approx(expected)


def test_differences_of_one_size_are_tested_exactly_at_any_number() -> None:
    exact = stats.binomtest(4, 18, 0.5).pvalue
    assert sign_flip_test(BINARY) == pytest.approx(exact - stats.binom.pmf(4, 18, 0.5))
    assert sign_flip_test(BINARY, seed=1) == sign_flip_test(BINARY, seed=2)


def test_many_graded_differences_agree_with_scipys_permutation_test() -> None:
    reference = stats.permutation_test(
        (GRADED, np.zeros_like(GRADED)),
        lambda a, b, axis: (a - b).mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=20_000,
        rng=np.random.default_rng(3),
    )
    assert sign_flip_test(GRADED) == pytest.approx(reference.pvalue, abs=0.02)


def test_more_distinct_sizes_than_fit_a_table_are_sampled_directly() -> None:
    many = np.random.default_rng(2).normal(-0.03, 0.2, 600)
    spread = many.std(ddof=1) / np.sqrt(len(many))
    assert sign_flip_test(many) == pytest.approx(2 * stats.norm.cdf(-abs(many.mean()) / spread), abs=0.02)
    assert paired_bootstrap(many) == pytest.approx((many.mean() - 1.96 * spread, many.mean() + 1.96 * spread), abs=0.002)


def test_no_difference_is_no_evidence() -> None:
    assert sign_flip_test([0.0] * 50) == 1.0
    assert paired_bootstrap([0.0] * 50) == (0.0, 0.0)
    assert sign_test(0, 0) == 1.0


@settings(deadline=None)
@given(values=differences, order=st.randoms())
def test_no_statistic_depends_on_the_order_of_queries(values: list[float], order: object) -> None:
    shuffled = list(values)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    assert sign_flip_test(values, resamples=1000) == sign_flip_test(shuffled, resamples=1000)
    assert paired_bootstrap(values, resamples=1000) == paired_bootstrap(shuffled, resamples=1000)
    assert minimum_detectable_effect(values) == minimum_detectable_effect(shuffled)


@settings(deadline=None)
@given(values=differences)
def test_swapping_candidate_and_live_keeps_the_p_value_and_mirrors_the_sign(values: list[float]) -> None:
    swapped = [-v for v in values]
    assert 0 < sign_flip_test(values, resamples=1000) <= 1
    assert sign_flip_test(values, resamples=1000) == pytest.approx(sign_flip_test(swapped, resamples=1000))
    low, high = paired_bootstrap(values, resamples=1000)
    assert min(values) <= low <= high <= max(values)


@pytest.mark.parametrize("values", [BINARY, GRADED], ids=["binary", "graded"])
def test_the_bootstrap_interval_is_scipys_percentile_interval(values: np.ndarray) -> None:
    reference = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=10_000, rng=np.random.default_rng(5))
    interval = reference.confidence_interval
    assert paired_bootstrap(values) == (pytest.approx(interval.low, abs=0.006), pytest.approx(interval.high, abs=0.006))


def test_a_higher_confidence_widens_the_interval() -> None:
    narrow, wide = paired_bootstrap(GRADED, confidence=0.8), paired_bootstrap(GRADED, confidence=0.99)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_holm_adjusts_as_in_his_paper() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
    assert holm({"only": 0.2}) == {"only": 0.2}
    assert holm({}) == {}


@given(values=st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=8))
def test_holm_never_lowers_a_p_value_keeps_their_order_and_is_at_most_bonferroni(values: dict[str, float]) -> None:
    adjusted = holm(values)
    for name, p in values.items():
        assert p <= adjusted[name] <= min(1.0, p * len(values)) + 1e-12
        assert all(adjusted[name] <= adjusted[other] for other, q in values.items() if p < q)


@pytest.mark.parametrize(("alpha", "losses"), [(0.05, 5), (0.025, 6), (0.5, 1), (0.03125, 5)])
def test_the_smallest_clean_loss_is_the_first_that_the_deciding_test_believes(alpha: float, losses: int) -> None:
    assert smallest_clean_loss(alpha) == losses
    assert sign_flip_test([-1.0] * losses + [0.0] * 50) <= alpha
    assert losses == 1 or sign_flip_test([-1.0] * (losses - 1) + [0.0] * 50) > alpha


def test_the_detectable_effect_is_what_a_simulation_detects_in_eight_of_ten_cases() -> None:
    generator = np.random.default_rng(8)
    spread, queries = 0.3, 120
    sample = generator.normal(0, spread, queries)
    effect = minimum_detectable_effect(sample * spread / sample.std(ddof=1))
    detected = sum(sign_flip_test(generator.normal(-effect, spread, queries), resamples=1000) <= 0.05 for _ in range(200))
    assert detected / 200 == pytest.approx(0.8, abs=0.09)


def test_queries_that_all_agree_detect_no_less_than_the_smallest_clean_loss() -> None:
    assert minimum_detectable_effect([0.0] * 100) == pytest.approx(0.05)
    assert minimum_detectable_effect([0.0] * 3) == 1.0


@pytest.mark.parametrize("values", [[], [float("nan")], [[1.0, 2.0]]])
def test_what_is_no_list_of_numbers_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="finite differences"):
        sign_flip_test(values)
