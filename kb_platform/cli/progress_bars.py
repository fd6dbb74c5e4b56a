"""Bars on a terminal for work that counts: how many are done of how many, at which rate, and how long the rest takes."""

import datetime as dt
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

from kb_platform.cli.output import errors
from kb_platform.knowledge.progress import Progress, silent

if TYPE_CHECKING:
    import rich.progress


@contextmanager
def progress_bars(message: str, *, quiet: bool) -> Iterator[Progress]:
    """Show what is told: a bar where the end is known, a moving one with a count where it is not; `message` until then.

    Nothing is shown when standard error is no terminal. What was shown is gone at the end: the report has the numbers.
    """
    if quiet or not errors.is_terminal:
        yield silent
        return
    # Dagster puts a file in the place of standard error while a step runs; a copy made now still leads to the terminal.
    with os.fdopen(os.dup(2), "w") as terminal, _bars(Console(file=terminal)) as bars:
        lines = _Lines(bars)
        lines.tell(message, 0, None)
        yield lines.tell


class _Lines:
    """One line for each kind of work, in the order in which they began; those that only say what goes on make room for the next."""

    def __init__(self, bars: "rich.progress.Progress") -> None:
        self._bars = bars
        self._tasks: dict[str, rich.progress.TaskID] = {}

    def tell(self, what: str, done: int, total: int | None) -> None:
        if what not in self._tasks:
            self._finish()
            self._tasks[what] = self._bars.add_task(what, total=total)
        self._bars.update(self._tasks[what], completed=done, total=total)

    def _finish(self) -> None:
        for what, shown in [(task.description, task) for task in self._bars.tasks]:
            if shown.completed:
                self._bars.update(shown.id, total=shown.completed)
            else:
                self._bars.remove_task(self._tasks.pop(what))


def _bars(console: Console) -> "rich.progress.Progress":
    from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
    from rich.text import Text

    class Pace(ProgressColumn):
        def render(self, task: Task) -> Text:
            total = None if task.total is None else int(task.total)
            return Text(pace(int(task.completed), total, task.elapsed or 0), "progress.download")

    return Progress(SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), Pace(), console=console, transient=True)


def pace(done: int, total: int | None, seconds: float) -> str:
    """Return how many are done of how many, the rate since the beginning, and the time that the rest takes at this rate."""
    if not done:
        return f"0 of {total:,}" if total else ""
    rate = done / seconds if seconds else 0.0
    parts = [f"{done:,} of {total:,}" if total else f"{done:,}"]
    parts += [f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s"] if rate else []
    parts += [f"{dt.timedelta(seconds=round((total - done) / rate))} left"] if rate and total and total > done else []
    return ", ".join(parts)
