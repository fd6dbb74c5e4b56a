"""The gates about what a delivery lost, changed or repeated, and the two that only warn."""

import datetime as dt
from dataclasses import replace

import pytest

from kb_platform.knowledge.gate_limits import GateLimits
from kb_platform.quality.changes import decide_churn, decide_duplicates
from kb_platform.quality.service import decide_freshness, decide_latency
from kb_platform.storage.inspect_changes import Churn, Repetition

LIMITS = GateLimits()


def documents(held: int, removed: int, changed: int = 0, source: str = "s") -> Churn:
    return Churn(source, "documents", held, removed, changed)


@pytest.mark.parametrize(("held", "removed", "changed", "verdict"), [
    (100, 15, 0, "pass"), (100, 16, 0, "inconclusive"), (100, 0, 16, "inconclusive"), (100, 8, 7, "pass"), (100, 8, 8, "inconclusive"),
    (5, 4, 0, "pass"), (5, 0, 5, "inconclusive"), (20, 2, 2, "pass"), (20, 3, 2, "inconclusive"), (9, 8, 0, "inconclusive"), (0, 0, 0, "pass"),
])
def test_more_than_fifteen_percent_removed_and_changed_waits_for_a_person_from_five_documents_on(
    held: int, removed: int, changed: int, verdict: str
) -> None:
    assert decide_churn([documents(held, removed, changed)], LIMITS).verdict == verdict


@pytest.mark.parametrize(("held", "removed", "verdict"), [(1000, 150, "pass"), (1000, 151, "inconclusive"), (49, 49, "pass"), (60, 50, "inconclusive")])
def test_chunks_count_from_fifty_on_however_few_documents_they_are_in(held: int, removed: int, verdict: str) -> None:
    assert decide_churn([documents(10, 0, 1), Churn("s", "chunks", held, removed, 0)], LIMITS).verdict == verdict


def test_each_source_is_held_to_the_limit_by_itself_and_named_with_its_numbers() -> None:
    small = Churn("small", "documents", 40, 20, 0, ("a.md", "b.md"))
    decision = decide_churn([documents(1000, 0), small, Churn("s", "chunks", 900, 200, 100)], LIMITS)
    assert decision.reasons == ("small: of 40 documents 20 removed (50%, such as a.md, b.md), more than 15%",
                                "s: of 900 chunks 200 removed and 100 changed (33%), more than 15%")
    assert (decision.metric, decision.threshold) == (0.5, 0.15)
    assert decision.to_dict()["facts"]["sources"][0] == {"source": "small", "what": "documents", "held": 40, "removed": 20, "changed": 0}


def test_the_limits_are_the_teams_to_set() -> None:
    assert decide_churn([documents(100, 60)], replace(LIMITS, max_churn_share=0.6)).passed
    assert decide_churn([documents(100, 99, 1)], replace(LIMITS, max_churn_share=1.0)).passed
    assert not decide_churn([documents(100, 2)], replace(LIMITS, max_churn_share=0.01, min_churn_documents=1)).passed
    assert not decide_churn([documents(100, 1)], replace(LIMITS, max_churn_share=0.0, min_churn_documents=1)).passed
    assert not decide_churn([Churn("s", "chunks", 100, 20, 0)], replace(LIMITS, min_churn_chunks=20)).passed


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
