"""`kb gpu-window`: when texts may be embedded, and opening or closing that window by hand for a while."""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from kb_platform.cli.output import By, Json, WrongUsage, as_text, console, show_json, show_table
from kb_platform.cli.session import database_running, known_knowledge_bases, settings, who
from kb_platform.knowledge.gpu_window import Change, GpuHours, WindowState, decide_window, next_opening
from kb_platform.knowledge.knowledge_base import KnowledgeBase

if TYPE_CHECKING:
    from dagster import DagsterInstance

LONGEST = dt.timedelta(days=7)
SHOWN = 5
UNITS = {"m": "minutes", "h": "hours", "d": "days"}

window = typer.Typer(name="gpu-window", help="When texts may be embedded.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(window)


@dataclass(frozen=True)
class PoolStanding:
    """A pool of Dagster: the slots that it has and should have, its runs, and when its sensor last looked."""

    pool: str
    window: WindowState
    slots: int | None
    expected: int
    queued: int
    running: int
    last_tick: dt.datetime | None

    @property
    def is_right(self) -> bool:
        """Tell whether it has what it should have."""
        return self.slots == self.expected


@window.command()
def status(as_json: Json = False) -> None:
    """Show whether the window is open, until when and why, and whether Dagster's pools follow it. Exit code 1 if one does not."""
    from kb_platform.local.dagster_home import open_instance
    from kb_platform.resources.gpu_window import open_deployment, utc_now
    from kb_platform.storage.gpu_window import changes

    kbs = known_knowledge_bases()
    with database_running(quiet=as_json), open_instance(settings()) as instance:
        done, now = changes(open_deployment(), SHOWN), utc_now()
        last = done[0] if done else None
        state = decide_window(settings().gpu_window, last, now)
        pools = list(_pools(instance, kbs, last, now))
    if as_json:
        show_json({**as_object(state), "hours": [asdict(h) for h in settings().gpu_window], "changes": [asdict(c) for c in done],
                   "pools": [asdict(p) | {"window": as_object(p.window), "right": p.is_right} for p in pools]})
    else:
        _show(state, settings().gpu_window, done, pools)
    raise typer.Exit(0 if all(pool.is_right for pool in pools) else 1)


@window.command("open")
def open_(
    length: Annotated[str, typer.Option("--for", help="How long: 90m, 2h, 1d; at most 7d. It then ends by itself.")],
    reason: Annotated[str, typer.Option("--reason", help="Why: it is kept, with who and when.")],
    by: By = None, as_json: Json = False,
) -> None:
    """Open the window for a while, whatever the hours say, for all knowledge bases. Queued runs start within a minute."""
    if not reason.strip():
        raise WrongUsage("--reason is empty", expected="why the window is opened")
    _change("open", _length(length), by, reason, as_json=as_json)


@window.command()
def close(
    length: Annotated[str | None, typer.Option("--for", help="How long; until the hours open it the next time if left out.")] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why: it is kept, with who and when.")] = "",
    by: By = None, as_json: Json = False,
) -> None:
    """Close the window, whatever the hours say, for all knowledge bases. Running steps store what they have computed, and end."""
    _change("close", _length(length) if length else None, by, reason, as_json=as_json)


def _change(action: Literal["open", "close"], length: dt.timedelta | None, by: str | None, reason: str, *, as_json: bool) -> None:
    from kb_platform.resources.gpu_window import open_deployment, utc_now
    from kb_platform.storage.gpu_window import record_change

    hours, now = settings().gpu_window, utc_now()
    until = now + length if length else next_opening(hours, now)
    if until is None:
        raise WrongUsage("the hours never open the window again", where="KB_GPU_HOURS", action="say for how long: --for 2h")
    with database_running(quiet=as_json):
        change = record_change(open_deployment(), action, until, who(by), reason.strip())
    state = decide_window(hours, change, change.at)
    show_json(as_object(state)) if as_json else console.print(f"the GPU window is {state}", highlight=False)


def _length(text: str) -> dt.timedelta:
    found = re.fullmatch(r"(\d{1,5})([mhd])", text)
    length = dt.timedelta(**{UNITS[found[2]]: int(found[1])}) if found else dt.timedelta()
    if not dt.timedelta() < length <= LONGEST:
        raise WrongUsage(f"--for {text}", expected="minutes, hours or days such as 90m, 2h, 1d, at most 7d")
    return length


def _pools(instance: "DagsterInstance", kbs: list[KnowledgeBase], last: Change | None, now: dt.datetime) -> Iterator[PoolStanding]:
    from dagster import DagsterRunStatus, RunsFilter

    from kb_platform.components.gpu_window import POOL, last_tick, slots_of

    hours = {POOL: settings().gpu_window} | {kb.gpu_pool: (*settings().gpu_window, *kb.gpu_hours) for kb in kbs if kb.gpu_hours}
    at_hand = [DagsterRunStatus.QUEUED, DagsterRunStatus.STARTING, DagsterRunStatus.STARTED]
    runs = [(run.status, run.run_op_concurrency.all_pools or ()) for run in instance.get_runs(RunsFilter(statuses=at_hand)) if run.run_op_concurrency]
    for pool, of_pool in hours.items():
        state, slots = decide_window(of_pool, last, now), slots_of(instance, pool)
        queued = sum(status is DagsterRunStatus.QUEUED for status, pools in runs if pool in pools)
        yield PoolStanding(pool, state, slots if slots is not None else instance.global_op_concurrency_default_limit,
                           settings().gpu_slots if state.is_open else 0, queued, sum(pool in pools for _, pools in runs) - queued,
                           last_tick(instance, pool))


def as_object(state: WindowState) -> dict[str, Any]:
    """Return a state as --json prints it."""
    return {"open": state.is_open, "until": state.until, "change": asdict(state.change) if state.change else None}


def _show(state: WindowState, hours: tuple[GpuHours, ...], done: list[Change], pools: list[PoolStanding]) -> None:
    by_hand = f", by hand: {state.change.by}, {state.change.reason or 'no reason given'}" if state.change else ""
    console.print(f"window  {state}{by_hand}", highlight=False, markup=False, soft_wrap=True)
    for one in hours:
        console.print(f"hours   {one.text} ({one.timezone})", highlight=False, markup=False, soft_wrap=True)
    if not hours:
        console.print("hours   always: KB_GPU_HOURS is unset")
    console.print()
    show_table(("pool", "window", "slots", "should be", "queued", "running", "last tick, UTC"), (
        (p.pool, str(p.window), p.slots, p.expected, p.queued, p.running, p.last_tick or "never") for p in pools))
    for pool in (p for p in pools if not p.is_right):
        console.print(f"[yellow]{pool.pool}[/yellow]: its sensor has not set the slots; is Dagster's daemon running? (kb status, kb up)", soft_wrap=True, markup=True)
    if done:
        console.print()
        show_table(("by hand, UTC", "", "until, UTC", "by", "reason"), ((c.at, c.action, c.until, c.by, as_text(c.reason)) for c in done))
