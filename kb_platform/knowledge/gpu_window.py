"""When batch work may use GPUs: hours written down beforehand, a change by hand, and what holds at an instant. Pure: the clock is an argument.

Hours are written as OpenStreetMap writes opening hours, and read by `opening-hours-py`. That library is asked for times of the wall
clock alone, and they become instants here: asked about an hour that a clock shows twice, it contradicts itself. The rule is: a time counts
from the first instant at which the clock shows it, or has passed it. What begins or ends in an hour that the clock skips does so when
it skips; an hour that comes twice opens, or closes, the first time.
"""

import datetime as dt
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from kb_platform.knowledge.errors import ConfigError

if TYPE_CHECKING:
    from opening_hours import OpeningHours

LOOK_BACK = dt.timedelta(days=8)  # hours by the week have opened once in it, or are open throughout
LOOK_AHEAD = dt.timedelta(days=731)
UNKNOWABLE = re.compile(r"\b(SH|sunrise|sunset|dawn|dusk|unknown)\b", re.IGNORECASE)
EXAMPLE = "Mo-Fr 00:00-06:00,20:00-24:00; Sa-Su 00:00-24:00; Dec 24 off"


@dataclass(frozen=True)
class GpuHours:
    """Weekly hours with exceptions, by the clock of an IANA time zone. `country` is the ISO code of whose public holidays PH means.

    Raises:
        ConfigError: the text cannot be read, or needs to know what nobody has said.
    """

    text: str
    timezone: str = "UTC"
    country: str = ""

    def __post_init__(self) -> None:
        """Read the text, so that hours which exist can be asked."""
        if hit := UNKNOWABLE.search(self.text):
            raise ConfigError(f"{hit[0]!r} in the hours {self.text!r}", expected=f"times of the clock, such as {EXAMPLE}")
        if re.search(r"\bPH\b", self.text) and not self.country:
            raise ConfigError(f"PH in the hours {self.text!r}, but no country whose public holidays these are",
                              action="set KB_GPU_COUNTRY, or write the dates")
        try:
            ZoneInfo(self.timezone)
        except (ValueError, OSError, LookupError) as error:
            raise ConfigError(f"the time zone {self.timezone!r}", expected="an IANA time zone, such as Europe/Berlin") from error
        _read(self.text, self.country)


@dataclass(frozen=True)
class Change:
    """What somebody did by hand: the window is open, or closed, from `at` until `until`, whatever the hours say."""

    action: Literal["open", "close"]
    at: dt.datetime
    until: dt.datetime
    by: str
    reason: str = ""


@dataclass(frozen=True)
class WindowState:
    """Whether the window is open at an instant.

    Attributes:
        is_open: whether texts may be embedded.
        since: when it opened; None while it is closed, and where it has been open for more than a week.
        until: when this ends; None where it never does.
        change: what somebody did by hand that makes it so.
    """

    is_open: bool
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    change: Change | None = None

    def __str__(self) -> str:
        """Return a few words."""
        end = f" until {self.until.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC" if self.until else ""
        return f"{'open' if self.is_open else 'closed'}{end}"


def decide_window(hours: Sequence[GpuHours], last: Change | None, now: dt.datetime) -> WindowState:
    """Return what holds at `now`. Several hours hold together; without any, it is open. `last` is the newest change by hand."""
    by_hours = scheduled(hours, now)
    if last is None:
        return by_hours
    if now >= last.until:
        reopened = last.action == "close" and by_hours.is_open and (by_hours.since is None or by_hours.since < last.until)
        return WindowState(True, last.until, by_hours.until) if reopened and now - last.until < LOOK_BACK else by_hours
    after = scheduled(hours, last.until)
    same = after.is_open == (last.action == "open")
    return WindowState(last.action == "open", last.at if last.action == "open" else None, after.until if same else last.until, last)


def next_opening(hours: Sequence[GpuHours], now: dt.datetime) -> dt.datetime | None:
    """Return when the hours open the window the next time, after `now`; None where they do not."""
    state = scheduled(hours, now)
    return scheduled(hours, state.until).until if state.is_open and state.until else state.until


def scheduled(hours: Sequence[GpuHours], now: dt.datetime) -> WindowState:
    """Return what the hours say at `now`, changes by hand left aside."""
    each = [_state(one, now) for one in hours]
    if all(state.is_open for state in each):
        return WindowState(True, max((s.since for s in each if s.since), default=None), min((s.until for s in each if s.until), default=None))
    opening: dt.datetime | None = now
    while shut := [s for s in (_state(one, opening) for one in hours) if not s.is_open]:
        ends = [state.until for state in shut if state.until]
        if len(ends) < len(shut) or max(ends) - now > LOOK_AHEAD:
            return WindowState(False)
        opening = max(ends)
    return WindowState(False, until=opening)


def _state(hours: GpuHours, now: dt.datetime) -> WindowState:
    for start, end in _open_spans(hours, now):
        if end is None or now < end:
            opened = start is None or start <= now
            return WindowState(True, start, end) if opened else WindowState(False, until=start)
    return WindowState(False)


def _open_spans(hours: GpuHours, now: dt.datetime) -> Iterator[tuple[dt.datetime | None, dt.datetime | None]]:
    """Yield when the hours begin and end, in order, from about `now` on; None for what lies more than a week back, or never comes."""
    zone = ZoneInfo(hours.timezone)
    begin = (local := now.astimezone(zone).replace(tzinfo=None)) - LOOK_BACK
    before: tuple[dt.datetime | None, dt.datetime | None] | None = None
    for first, last, state, _ in _read(hours.text, hours.country).intervals(begin):
        if str(state) != "open" or last and last < local - dt.timedelta(days=1):
            continue
        start, end = None if first == begin else instant(first, zone), last and instant(last, zone)
        if start and start == end:  # all of it is skipped by the clock
            continue
        if before and before[1] == start:  # they differ by a comment, or the clock skips what lies between them
            before = before[0], end
            continue
        if before:
            yield before
        before = start, end
    if before:
        yield before


def instant(local: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    """Return the first instant, in UTC, at which the zone's clock shows a time or has passed it."""
    first, other = (local.replace(tzinfo=zone, fold=fold).astimezone(dt.UTC) for fold in (0, 1))
    if first <= other:
        return first
    after = first.astimezone(zone).utcoffset()  # the clock skips this time: it is put forward between `other` and `first`
    seconds = range(int(other.timestamp()), int(first.timestamp()) + 1)
    put_forward = bisect_left(seconds, True, key=lambda t: dt.datetime.fromtimestamp(t, zone).utcoffset() == after)
    return dt.datetime.fromtimestamp(seconds[put_forward], dt.UTC)


@lru_cache(maxsize=64)
def _read(text: str, country: str) -> "OpeningHours":
    from opening_hours import OpeningHours

    try:
        return OpeningHours(text, country=country or None, auto_country=False, auto_timezone=False)
    except Exception as error:  # the library has a class for each part that can be wrong
        column = re.search(r"--> 1:(\d+)", str(error))
        why = f"from character {column[1]} on" if column else str(error)
        raise ConfigError(f"the hours {text!r} cannot be read: {why}",
                          expected=f"opening hours as OpenStreetMap writes them, such as {EXAMPLE}") from error
