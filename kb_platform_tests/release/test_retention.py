"""Which releases are kept: the rule alone, over every history that hypothesis can think of."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb_platform.knowledge.retention import PastState, Retention, dead_share, decide_horizon, index_is_due

NOW = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)


def promoted(release: int, left_days_ago: float | None = None, status: str = "retired") -> PastState:
    left = None if left_days_ago is None else NOW - dt.timedelta(days=left_days_ago)
    return PastState(release, status, release - 1 or None, True, left)


def ten() -> list[PastState]:
    """Ten releases, a day apart; the tenth is live."""
    return [promoted(n, 10 - n - 0.5) for n in range(1, 10)] + [promoted(10, status="promoted")]


def horizon(releases: list[PastState], live: int | None, current: int = 0, **retention: int) -> int:
    return decide_horizon(releases, live, current, Retention(**retention), NOW).release


@pytest.mark.parametrize(("retention", "expected"), [
    ({"keep_releases": 3}, 8), ({"keep_releases": 1}, 10), ({"keep_releases": 30}, 1), ({}, 4),
    ({"keep_releases": 1, "keep_days": 3}, 7), ({"keep_releases": 5, "keep_days": 3}, 6), ({"keep_releases": 1, "keep_days": 100}, 1),
])
def test_the_newest_releases_and_those_of_the_last_days_are_kept(retention: dict[str, int], expected: int) -> None:
    assert horizon(ten(), 10, **retention) == expected


def test_what_a_rollback_went_back_to_is_kept_however_old() -> None:
    assert horizon(ten(), 4, keep_releases=1) == 4


def test_what_a_candidate_builds_on_is_kept() -> None:
    assert horizon([*ten(), PastState(11, "sealed", 7, False)], 10, keep_releases=1) == 7


def test_a_discarded_release_counts_for_nothing() -> None:
    last = [PastState(11, "discarded", 10, True), PastState(12, "discarded", 10, False)]
    assert horizon([*ten(), *last], 10, keep_releases=2) == 9


def test_before_the_first_promotion_nothing_moves() -> None:
    assert horizon([PastState(1, "sealed", None, False)], None, keep_releases=1) == 0


def test_the_horizon_says_what_holds_it() -> None:
    found = decide_horizon([*ten(), PastState(11, "building", 10, False)], 9, 6, Retention(keep_releases=2), NOW)
    assert found.kept == {9: "live", 10: "candidate 11 builds on it"}


histories = st.lists(st.tuples(st.sampled_from(["retired", "discarded"]), st.booleans(), st.none() | st.floats(0, 60)), min_size=1, max_size=12)


@given(history=histories, keep=st.integers(1, 6), days=st.integers(0, 40), current=st.integers(0, 8), data=st.data())
def test_it_never_goes_back_never_passes_what_is_kept_and_keeps_no_more_than_is_asked_for(
    history: list[tuple[str, bool, float | None]], keep: int, days: int, current: int, data: st.DataObject
) -> None:
    releases = [PastState(n, status, None, was, None if left is None else NOW - dt.timedelta(days=left))
                for n, (status, was, left) in enumerate(history, 1)]
    readable = [r.release for r in releases if r.was_promoted and r.status != "discarded" and r.release >= current]
    live = data.draw(st.sampled_from(readable)) if readable else None
    found = decide_horizon(releases, live, current, Retention(keep_releases=keep, keep_days=days), NOW)
    assert found.release >= current
    if live is None:
        assert found.release == current
        return
    recent = {r.release for r in releases if r.status != "discarded" and days and r.left_at and r.left_at >= NOW - dt.timedelta(days=days)}
    wanted = {live, *sorted(readable)[-keep:], *(r for r in recent if r >= current)}
    assert found.release == max(current, min(wanted))
    assert set(found.kept) == wanted


def test_an_index_is_due_from_its_share_of_dead_entries_on() -> None:
    assert dead_share(80, 20) == 0.2
    assert index_is_due(80, 20, Retention(dead_share=0.2))
    assert not index_is_due(81, 20, Retention(dead_share=0.2))
    assert not index_is_due(0, 0, Retention(dead_share=0.01))
    assert index_is_due(0, 5, Retention()), "all gone"
