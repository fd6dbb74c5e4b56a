"""One measure of one slice, candidate against live."""

import pytest

from kb_platform.quality.comparison import PairedComparison, adjust_together, compare
from kb_platform.quality.statistics import sign_flip_test, sign_test
from kb_platform_tests.quality.builders import scores


def against_live(count: int, missed: range, slice_name: str = "all", *, alpha: float = 0.05) -> PairedComparison:
    """Compare a candidate that misses some goldens with a live release that answers them all."""
    candidate, live = scores(count, missed=missed), scores(count)
    return compare("Success@5", slice_name, sorted(live), candidate, live, alpha=alpha, resamples=2000, seed=1)


def test_a_comparison_holds_means_counts_and_tests() -> None:
    result = against_live(100, range(8))
    assert (result.candidate, result.live, result.difference) == pytest.approx((0.92, 1.0, -0.08))
    assert (result.wins, result.losses, result.queries) == (0, 8, 100)
    assert result.sign_p == sign_test(0, 8)
    assert result.p_value == result.adjusted_p == sign_flip_test([-1.0] * 8)
    assert result.interval[0] < -0.08 < result.interval[1] < 0
    assert result.significantly_worse(0.02)


def test_a_loss_below_the_minimum_effect_is_not_worse_however_certain() -> None:
    result = against_live(1000, range(15))
    assert result.p_value < 0.001
    assert not result.significantly_worse(0.02)


def test_a_gain_is_never_worse() -> None:
    candidate, live = scores(50), scores(50, missed=range(20))
    assert not compare("Success@5", "all", sorted(live), candidate, live, alpha=0.05, resamples=1000, seed=1).significantly_worse(
        0.0
    )


def test_comparisons_that_are_judged_together_pay_for_their_number() -> None:
    adjusted = adjust_together([against_live(40, range(6), "a"), against_live(40, range(7), "b")])
    assert [c.adjusted_p for c in adjusted] == pytest.approx([2**-6, 2 * 2**-7])
    assert [c.p_value for c in adjusted] == pytest.approx([2**-6, 2**-7])


def test_what_could_not_be_significant_costs_the_others_nothing() -> None:
    adjusted = adjust_together(
        [against_live(40, range(6), "a"), against_live(40, range(4), "small"), against_live(40, range(0), "same")]
    )
    assert [c.testable for c in adjusted] == [True, False, False]
    assert [c.adjusted_p for c in adjusted] == pytest.approx([2**-6, 1.0, 1.0])
