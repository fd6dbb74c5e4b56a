"""Means by slice: paired, with intervals, and counted."""

from kb_platform.quality.slice_scores import slice_scores
from kb_platform_tests.quality.builders import golden_set, scores

GOLDENS = golden_set(10, critical=3, slices={"dose": range(5, 10)}).goldens


def of(found, slice_name: str, measure: str):
    (score,) = [s for s in found if (s.slice, s.measure) == (slice_name, measure)]
    return score


def test_slices_come_in_the_gates_order_each_with_every_measure() -> None:
    found = slice_scores(GOLDENS, scores(10), scores(10))
    assert list(dict.fromkeys(s.slice for s in found)) == ["all", "critical", "dose"]
    assert len(found) == 3 * 5


def test_a_slice_shows_both_means_with_intervals_around_them_and_what_changed() -> None:
    score = of(slice_scores(GOLDENS, scores(10, missed=(6, 7)), scores(10, missed=(7, 8, 9))), "dose", "Success@5")
    assert (score.queries, score.candidate, score.live, score.wins, score.losses) == (5, 0.6, 0.4, 2, 1)
    assert score.interval is not None and score.live_interval is not None
    assert 0 <= score.interval[0] < 0.6 < score.interval[1] <= 1
    assert 0 <= score.live_interval[0] < 0.4 < score.live_interval[1] <= 1


def test_both_sides_are_over_the_same_goldens() -> None:
    live = {query: row for query, row in scores(10).items() if query != "q009"}
    score = of(slice_scores(GOLDENS, scores(10, missed=(9,)), live), "dose", "Success@5")
    assert (score.queries, score.candidate, score.live) == (4, 1.0, 1.0)


def test_without_a_live_release_the_candidate_stands_alone() -> None:
    score = of(slice_scores(GOLDENS, scores(10), None), "all", "nDCG@10")
    assert (score.queries, score.candidate, score.live, score.wins, score.losses) == (10, 1.0, None, 0, 0)


def test_nothing_is_shown_where_every_golden_is_stale() -> None:
    assert slice_scores(GOLDENS, {}, None) == []
