"""The GPU window by the clock: a week minute by minute, both changes of the clock, holidays, changes by hand."""

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb_platform.knowledge.errors import ConfigError
from kb_platform.knowledge.gpu_window import Change, GpuHours, WindowState, decide_window, instant, next_opening, scheduled

BERLIN = ZoneInfo("Europe/Berlin")
NIGHTS = GpuHours("Mo-Fr 00:00-06:00,20:00-24:00; Sa-Su 00:00-24:00", "Europe/Berlin")
MINUTE = dt.timedelta(minutes=1)


def at(text: str, zone: ZoneInfo = BERLIN, fold: int = 0) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).astimezone(dt.UTC)


def minutes(start: dt.datetime, end: dt.datetime) -> Iterator[dt.datetime]:
    while start < end:
        yield start
        start += MINUTE


def changes(hours: Sequence[GpuHours], start: dt.datetime, end: dt.datetime, zone: ZoneInfo = BERLIN) -> list[str]:
    """Return the minutes at which the state changes, as the zone's clock shows them, and check each against what was foretold."""
    found, state = [], scheduled(hours, start)
    for now in minutes(start + MINUTE, end):
        then = scheduled(hours, now)
        if then.is_open != state.is_open:
            assert state.until == now
            assert then.since == (now if then.is_open else None)
            found.append(f"{now.astimezone(zone):%a %H:%M%z} {'open' if then.is_open else 'shut'}")
        else:
            assert (then.since, then.until) == (state.since, state.until)
        state = then
    return found


def test_a_week_minute_by_minute() -> None:
    assert changes([NIGHTS], at("2026-11-02 00:00"), at("2026-11-09 00:00")) == [
        f"{day} {time}+0100 {to}" for day in ("Mon", "Tue", "Wed", "Thu", "Fri") for time, to in (("06:00", "shut"), ("20:00", "open"))]


@pytest.mark.parametrize(("day", "shut", "opened"), [
    ("2026-03-27", "Fri 06:00+0100", "Mon 20:00+0200"),  # the night of the 29th is an hour shorter
    ("2026-10-23", "Fri 06:00+0200", "Mon 20:00+0100"),  # that of the 25th an hour longer
])
def test_a_week_end_in_which_the_clock_is_changed_is_open_throughout(day: str, shut: str, opened: str) -> None:
    start = at(f"{day} 00:00")
    told = changes([NIGHTS], start, start + dt.timedelta(days=4))
    assert (told[0], told[1][:3], told[-1]) == (f"{shut} shut", "Fri", f"{opened} open")
    assert len(told) == 4


SPRING, AUTUMN = ("2026-03-28 12:00", "2026-03-29 12:00"), ("2026-10-24 12:00", "2026-10-25 12:00")


@pytest.mark.parametrize(("text", "night", "told"), [
    ("02:30-05:00", SPRING, ["Sun 03:00+0200 open", "Sun 05:00+0200 shut"]),  # 02:30 does not exist: when the clock has passed it
    ("22:00-02:30", SPRING, ["Sat 22:00+0100 open", "Sun 03:00+0200 shut"]),
    ("02:15-02:45", SPRING, []),  # none of it exists
    ("01:00-02:15,02:45-04:00", SPRING, ["Sun 01:00+0100 open", "Sun 04:00+0200 shut"]),  # the pause between does not exist
    ("02:30-05:00", AUTUMN, ["Sun 02:30+0200 open", "Sun 05:00+0100 shut"]),  # 02:30 exists twice: the first of them
    ("22:00-02:30", AUTUMN, ["Sat 22:00+0200 open", "Sun 02:30+0200 shut"]),
    ("02:15-02:45", AUTUMN, ["Sun 02:15+0200 open", "Sun 02:45+0200 shut"]),
])
def test_an_hour_that_is_skipped_or_comes_twice(text: str, night: tuple[str, str], told: list[str]) -> None:
    assert changes([GpuHours(text, "Europe/Berlin")], at(night[0]), at(night[1])) == told


@given(st.datetimes(at("2020-01-01").replace(tzinfo=None), at("2029-12-31").replace(tzinfo=None)), st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]))
def test_an_instant_is_the_first_at_which_the_clock_shows_or_has_passed_a_time(local: dt.datetime, name: str) -> None:
    local, zone = local.replace(microsecond=0), ZoneInfo(name)
    found = instant(local, zone)
    assert found.astimezone(zone).replace(tzinfo=None) >= local
    assert (found - dt.timedelta(seconds=1)).astimezone(zone).replace(tzinfo=None) < local


def test_hours_cross_midnight_and_days_may_have_several() -> None:
    hours = GpuHours("Mo 12:00-12:30,22:00-02:00; We 09:00-10:00", "Europe/Berlin")
    assert changes([hours], at("2026-11-02 00:00"), at("2026-11-05 00:00")) == [
        "Mon 12:00+0100 open", "Mon 12:30+0100 shut", "Mon 22:00+0100 open", "Tue 02:00+0100 shut", "Wed 09:00+0100 open", "Wed 10:00+0100 shut"]


def test_a_holiday_is_open_or_closed_as_its_rule_says() -> None:
    hours = GpuHours(f"{NIGHTS.text}; PH 00:00-24:00; 2026 Dec 31 off", "Europe/Berlin", "DE")
    assert scheduled([hours], at("2026-12-25 12:00")).is_open  # a Friday
    assert not scheduled([NIGHTS], at("2026-12-25 12:00")).is_open
    assert not scheduled([hours], at("2026-12-31 22:00")).is_open
    dated = GpuHours(f"{NIGHTS.text}; 2026 Dec 25 00:00-24:00", "Europe/Berlin")
    assert scheduled([dated], at("2026-12-25 12:00")).is_open


def test_several_hours_hold_together() -> None:
    evenings = GpuHours("Mo-Su 18:00-22:00", "Europe/London")  # 19:00 to 23:00 in Berlin
    assert changes([NIGHTS, evenings], at("2026-11-03 00:00"), at("2026-11-04 00:00")) == ["Tue 20:00+0100 open", "Tue 23:00+0100 shut"]
    never = scheduled([GpuHours("Mo 10:00-11:00"), GpuHours("Tu 10:00-11:00")], at("2026-11-03 00:00"))
    assert never == WindowState(False)


def test_without_hours_it_is_open() -> None:
    assert decide_window([], None, at("2026-11-03 12:00")) == WindowState(True)
    assert scheduled([GpuHours("24/7")], at("2026-11-03 12:00")) == WindowState(True)
    assert next_opening([], at("2026-11-03 12:00")) is None


def test_an_opening_by_hand_ends_by_itself_or_goes_over_into_the_hours() -> None:
    noon = at("2026-11-03 12:00")
    opening = Change("open", noon, noon + 2 * 60 * MINUTE, "anna")
    assert decide_window([NIGHTS], opening, noon) == WindowState(True, noon, at("2026-11-03 14:00"), opening)
    assert decide_window([NIGHTS], opening, at("2026-11-03 13:59")).is_open
    assert decide_window([NIGHTS], opening, at("2026-11-03 14:00")) == WindowState(False, until=at("2026-11-03 20:00"))
    long = Change("open", noon, at("2026-11-03 21:00"), "anna")
    assert decide_window([NIGHTS], long, at("2026-11-03 19:00")).until == at("2026-11-04 06:00")


def test_a_closing_by_hand_holds_until_its_end_and_the_window_counts_as_opened_anew() -> None:
    begin, end = at("2026-11-03 21:00"), at("2026-11-03 23:00")
    closing = Change("close", begin, end, "anna", "theatre needs the GPUs")
    assert decide_window([NIGHTS], closing, begin) == WindowState(False, until=end, change=closing)
    assert decide_window([NIGHTS], closing, end) == WindowState(True, end, at("2026-11-04 06:00"))
    assert decide_window([NIGHTS], closing, at("2026-11-05 21:00")).since == at("2026-11-05 20:00")
    into_the_day = Change("close", begin, at("2026-11-04 12:00"), "anna")
    assert decide_window([NIGHTS], into_the_day, begin).until == at("2026-11-04 20:00")
    assert decide_window([], closing, begin) == WindowState(False, until=end, change=closing)


def test_the_next_opening_is_the_one_after_what_is_open_now() -> None:
    assert next_opening([NIGHTS], at("2026-11-03 21:00")) == at("2026-11-04 20:00")
    assert next_opening([NIGHTS], at("2026-11-03 12:00")) == at("2026-11-03 20:00")


def test_what_the_manual_shows_means_what_it_says() -> None:
    shown = re.search(r'KB_GPU_HOURS="(.*)"', (Path(__file__).parents[2] / "docs" / "operate.md").read_text())
    assert shown
    hours = GpuHours(shown[1], "Europe/Berlin", "DE")
    opens = {day: scheduled([hours], at(f"2026-{day}")).is_open for day in ("11-02 12:00", "11-02 05:00", "11-07 12:00", "12-25 12:00", "12-24 22:00")}
    assert opens == {"11-02 12:00": False, "11-02 05:00": True, "11-07 12:00": True, "12-25 12:00": True, "12-24 22:00": False}
    nights = GpuHours("Mo-Fr 20:00-06:00", "Europe/Berlin")
    assert scheduled([nights], at("2026-11-07 05:00")).is_open  # Saturday
    assert not scheduled([nights], at("2026-11-02 05:00")).is_open  # Monday


@pytest.mark.parametrize(("text", "country", "said"), [
    ("Mo-Fr 25:61", "", "'Mo-Fr 25:61' cannot be read"), ("nights", "", "cannot be read"), ("", "", "cannot be read"),
    ("sunset-sunrise", "", "times of the clock"), ("SH off", "", "times of the clock"), ("PH off", "", "KB_GPU_COUNTRY"), ("PH off", "XX", "XX"),
])
def test_hours_that_cannot_be_meant_are_refused(text: str, country: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        GpuHours(text, "UTC", country)
