"""When a promotion is asked for again: after each failed run a while later, a few times, and never beside one that runs."""

import datetime as dt

import dagster as dg

from kb_platform.components.knowledge_base.promotion_requests import TAG, WAITS, decide_request, promotion_request

NOW = dt.datetime(2026, 3, 1, 12, 0, tzinfo=dt.UTC)
LONG_AGO = NOW - dt.timedelta(days=2)


def test_what_was_never_tried_is_asked_for_at_once() -> None:
    assert (decide_request("1/ab", [], NOW).due, decide_request("1/ab", [], NOW).attempt) == (True, 0)


def test_nothing_is_asked_for_beside_a_run_at_hand() -> None:
    found = decide_request("1/ab", [None, LONG_AGO], NOW)
    assert (found.due, found.note) == (False, "its promotion runs")


def test_each_failure_waits_longer_than_the_one_before() -> None:
    assert list(WAITS) == sorted(WAITS)
    for number, wait in enumerate(WAITS, 1):
        ends = [LONG_AGO] * (number - 1) + [NOW - wait]
        assert decide_request("1/ab", ends, NOW).due
        assert not decide_request("1/ab", ends, NOW - dt.timedelta(seconds=1)).due


def test_in_the_end_it_is_a_persons_turn() -> None:
    found = decide_request("1/ab", [LONG_AGO] * (len(WAITS) + 1), NOW)
    assert (found.due, "5 times in vain" in found.note) == (False, True)


def test_only_runs_of_the_same_promotion_count() -> None:
    @dg.op(name="fail")
    def fail() -> None:
        raise RuntimeError

    @dg.job(name="x_promote")
    def promote() -> None:
        fail()

    with dg.DagsterInstance.ephemeral() as instance:
        for name in ("1/ab", "2/cd"):
            promote.execute_in_process(instance=instance, raise_on_error=False, tags={TAG: name})
        again = promotion_request(instance, "x_promote", "1/ab")
        assert (again.attempt, again.due) == (1, False)
        assert promotion_request(instance, "x_promote", "3/ef").due
