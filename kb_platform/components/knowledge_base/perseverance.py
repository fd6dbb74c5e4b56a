"""What a step does about errors: what may pass is tried again inside the step, what cannot pass ends it, and no run repeats it.

A database that restarts or an object store that does not answer for a moment costs the step some seconds, not the night. Every step may
be run again with the same result, so it is begun anew as a whole; what it has stored it finds there.
"""

import sys
import time
from collections.abc import Callable, Sequence
from functools import wraps
from typing import ParamSpec, TypeVar

import dagster as dg

from kb_platform.knowledge.errors import PermanentError, TransientError
from kb_platform.settings import current_settings

P = ParamSpec("P")
T = TypeVar("T")

FIRST, LONGEST = 1.0, 60.0  # seconds between two tries


def persevering(body: Callable[P, T]) -> Callable[P, T]:
    """Let the body of an asset or check be tried again; it keeps its signature, which Dagster reads."""

    @wraps(body)
    def tried(*args: P.args, **kwargs: P.kwargs) -> T:
        return persevere(lambda: body(*args, **kwargs))

    return tried


def waits_within(patience: float) -> list[float]:
    """Return the seconds to wait before each further try: each twice the one before, up to a minute, `patience` in all."""
    waits: list[float] = []
    while (left := patience - sum(waits)) > 0:
        waits.append(min(left, LONGEST, FIRST * 2 ** len(waits)))
    return waits


def persevere(work: Callable[[], T], waits: Sequence[float] | None = None, sleep: Callable[[float], None] = time.sleep) -> T:
    """Return what the work returns, tried again after each of `waits` (unset: for KB_STEP_PATIENCE) while it ends with a TransientError.

    Said on standard error, which is the step's own file: Dagster's log is in a database that may be the one that is away.

    Raises:
        Failure: a PermanentError, or a TransientError that did not pass; its description is the sentence for people.
    """
    for wait in waits_within(current_settings().step_patience) if waits is None else waits:
        try:
            return _decided(work)
        except TransientError as error:
            print(f"{error}: trying again in {wait:g} s", file=sys.stderr, flush=True)
            sleep(wait)
    try:
        return _decided(work)
    except TransientError as error:
        raise dg.Failure(description=str(error)) from error


def _decided(work: Callable[[], T]) -> T:
    try:
        return work()
    except PermanentError as error:
        _let_no_run_repeat_it()
        raise dg.Failure(description=str(error), allow_retries=False) from error


def _let_no_run_repeat_it() -> None:
    """Tell the daemon, whatever its rules about failed steps: the same thing would fail again."""
    from dagster._core.execution.context.compute import current_execution_context

    context = current_execution_context.get()
    if context is not None:
        context.instance.add_run_tags(context.run.run_id, {"dagster/max_retries": "0"})
