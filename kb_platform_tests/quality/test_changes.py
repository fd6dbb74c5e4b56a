"""The gates about what a delivery lost, changed or repeated, and the two that only warn."""

import datetime as dt
from dataclasses import replace

import pytest

from kb_platform.knowledge.gate_limits import GateLimits
from kb_platform.quality.changes import decide_deletions, decide_duplicates
from kb_platform.quality.service import decide_freshness, decide_latency
from kb_platform.storage.inspect_changes import Loss, Repetition

LIMITS = GateLimits()


def documents(held: int, lost: int, source: str = "s") -> Loss:
    return Loss(source, "documents", held, lost, lost)


@pytest.mark.parametrize(("held", "lost", "verdict"), [
    (100, 15, "pass"), (100, 16, "inconclusive"), (5, 4, "pass"), (20, 4, "pass"), (20, 5, "inconclusive"), (0, 0, "pass"), (5, 5, "inconclusive"),
])
def test_losing_more_than_fifteen_percent_waits_for_a_person_from_five_documents_on(held: int, lost: int, verdict: str) -> None:
    assert decide_deletions([documents(held, lost)], [], LIMITS).verdict == verdict


@pytest.mark.parametrize(("held", "changed", "verdict"), [(100, 75, "pass"), (100, 76, "inconclusive"), (19, 19, "pass"), (20, 20, "inconclusive")])
def test_changing_more_than_three_quarters_waits_for_a_person_from_twenty_documents_on(held: int, changed: int, verdict: str) -> None:
    assert decide_deletions([], [documents(held, changed)], LIMITS).verdict == verdict


def test_each_source_is_held_to_the_limit_by_itself_and_named_with_its_numbers() -> None:
    decision = decide_deletions([documents(1000, 0), documents(40, 20, "small"), Loss("s", "characters", 900, 300, 12)], [], LIMITS)
    assert decision.reasons == ("small: 20 of 40 documents are gone (50%), more than 15%", "s: 300 of 900 characters are gone (33%), more than 15%")
    assert (decision.metric, decision.threshold) == (0.5, 0.15)
    assert {"source": "small", "what": "lost", "held": 40, "lost": 20} in decision.to_dict()["facts"]["sources"]


def test_the_limits_are_the_teams_to_set() -> None:
    assert decide_deletions([documents(100, 60)], [], replace(LIMITS, max_deleted_share=0.6)).passed
    assert not decide_deletions([documents(100, 2)], [], replace(LIMITS, max_deleted_share=0.01, min_deleted=1)).passed


@pytest.mark.parametrize(("share", "live", "verdict"), [
    (0.5, None, "pass"), (0.51, None, "inconclusive"), (0.6, 0.56, "pass"), (0.15, 0.0, "inconclusive"), (0.04, 0.0, "pass"), (0.0, 0.9, "pass"),
])
def test_repeated_text_is_held_against_the_live_release_and_against_a_limit_in_a_first_one(share: float, live: float | None, verdict: str) -> None:
    assert decide_duplicates(Repetition(share, 10), None if live is None else Repetition(live, 10), LIMITS).verdict == verdict


def test_repeated_text_in_a_handful_of_documents_never_counts() -> None:
    decision = decide_duplicates(Repetition(1.0, 9), None, LIMITS)
    assert (decision.passed, decision.metric, decision.facts) == (True, 0.0, {"documents": 9, "share": 1.0})
    assert not decide_duplicates(Repetition(1.0, 9), None, replace(LIMITS, min_duplicates=9)).passed


def test_a_silent_source_is_named_with_its_age() -> None:
    today = dt.date(2026, 11, 24)
    newest = {"alive": today, "silent": dt.date(2026, 10, 1), "never": None}
    decision = decide_freshness(newest, today, 30)
    assert decision.reasons == ("never has delivered nothing yet", "silent last delivered 54 days ago, more than 30")
    assert (decision.passed, decision.metric) == (False, 54)
    assert decide_freshness({"alive": today, "silent": dt.date(2026, 10, 25)}, today, 30).passed


def test_latency_is_the_ninety_fifth_of_a_hundred_searches() -> None:
    times = [float(n) for n in range(1, 101)]
    assert decide_latency(times, 96).passed
    assert decide_latency(times, 95).reasons == ("95 of 100 searches took up to 95 ms, the limit is 95",)
    assert decide_latency([], 1).passed
