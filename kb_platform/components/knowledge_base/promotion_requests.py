"""Whether a promotion that reviewers made possible is asked for, now or again: a run that failed is followed by another one, a few times.

The level decides and not the edge: as long as what was accepted is not promoted, it is due. Dagster's runs say what was tried.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

TAG = "kb/accepted"
WAITS = tuple(dt.timedelta(minutes=m) for m in (1, 5, 30, 120))
"""How long the next run waits after each that failed; then it is a person's turn."""


@dataclass(frozen=True)
class Promotion:
    """A candidate that may be promoted, by the name of release, content and acceptances; `due` says whether to ask, `note` why not."""

    name: str
    attempt: int
    due: bool
    note: str = ""


def decide_request(name: str, ends: Sequence[dt.datetime | None], now: dt.datetime) -> Promotion:
    """Decide by when earlier runs for the same promotion ended, None for one that has not."""
    number = len(ends)
    over = [end for end in ends if end is not None]
    if len(over) < number:
        return Promotion(name, number, due=False, note="its promotion runs")
    if number > len(WAITS):
        return Promotion(name, number, due=False, note=f"its promotion was asked for {number} times in vain: look at these runs, then `kb promote`")
    due = not over or now - max(over) >= WAITS[number - 1]
    return Promotion(name, number, due, "" if due else f"its promotion has failed {number} times, and is asked for again in a while")


def promotion_request(instance: dg.DagsterInstance, job: str, name: str) -> Promotion:
    """Return whether to ask for a promotion of this name."""
    runs = instance.get_run_records(dg.RunsFilter(job_name=job, tags={TAG: name}), limit=len(WAITS) + 1)
    return decide_request(name, [_end(run) for run in runs], dt.datetime.now(dt.UTC))


def _end(run: dg.RunRecord) -> dt.datetime | None:
    if not run.dagster_run.is_finished:
        return None
    return dt.datetime.fromtimestamp(run.end_time, dt.UTC) if run.end_time else run.update_timestamp.replace(tzinfo=dt.UTC)
