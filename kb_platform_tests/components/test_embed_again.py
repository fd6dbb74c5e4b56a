"""When embedding is continued: once an opening, and again after a failure, each time a while later."""

import datetime as dt

import pytest

from kb_platform.components.knowledge_base.embed_again import EmbedRun, why_not
from kb_platform.components.knowledge_base.promotion_requests import WAITS
from kb_platform.knowledge.gpu_window import WindowState

OPENED = dt.datetime(2026, 11, 3, 20, 0, tzinfo=dt.UTC)
NOW = OPENED + dt.timedelta(hours=6)
OPEN = WindowState(True, OPENED, OPENED + dt.timedelta(hours=10))
MINUTE = dt.timedelta(minutes=1)
YESTERDAY = OPENED - dt.timedelta(hours=20)


def run(began: dt.datetime | None, *, failed: bool = False) -> EmbedRun:
    return EmbedRun(began, (began or OPENED) + 30 * MINUTE, failed)


def test_an_opening_that_had_no_run_is_due_whatever_was_before() -> None:
    assert why_not(OPEN, [], NOW) == ""
    assert why_not(OPEN, [run(YESTERDAY), run(YESTERDAY, failed=True)], NOW) == ""


@pytest.mark.parametrize(("state", "runs", "said"), [
    (WindowState(False, until=NOW), [], "closed until"),
    (WindowState(True), [], "the daily refresh"),
    (OPEN, [EmbedRun(None, None)], "at hand"),  # queued since noon: the opened pool lets it start
    (OPEN, [EmbedRun(YESTERDAY, None)], "at hand"),
    (OPEN, [run(OPENED + MINUTE)], "has had its run"),
    (OPEN, [run(OPENED + MINUTE, failed=True), run(OPENED + 90 * MINUTE)], "has had its run"),
])
def test_nothing_is_asked_for(state: WindowState, runs: list[EmbedRun], said: str) -> None:
    assert said in why_not(state, runs, NOW)


def test_a_failed_run_is_followed_by_another_a_few_times() -> None:
    for number, wait in enumerate(WAITS, 1):
        runs = [run(OPENED + MINUTE, failed=True)] * number
        ended = runs[-1].ended
        assert ended is not None
        assert why_not(OPEN, runs, ended + wait) == ""
        assert "waits a while" in why_not(OPEN, runs, ended + wait - MINUTE / 2)
    assert "look at them" in why_not(OPEN, [run(OPENED + MINUTE, failed=True)] * (len(WAITS) + 1), NOW)
