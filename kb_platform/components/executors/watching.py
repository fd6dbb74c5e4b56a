"""An executor whose steps run elsewhere, and which starts a step again whose process or pod died under it.

Dagster's own `StepDelegatingExecutor` takes such a step for failed, unless its op has a RetryPolicy; and that would also repeat what
an ordinary exception ended. Here the death of a process is told apart from a failure of the step: a step that says how it ended is
believed, one that cannot say so any more is started again, a bounded number of times. Embedding keeps what it has done, so that the
new process goes on where the dead one was.
"""

import signal
from abc import abstractmethod
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.events import DagsterEvent, EngineEventData
from dagster._core.execution.plan.objects import StepRetryData
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.step_delegating import CheckStepHealthResult, StepDelegatingExecutor, StepHandler, StepHandlerContext
from dagster_shared.error import SerializableErrorInfo

if TYPE_CHECKING:
    from dagster._core.execution.context.system import IStepContext, PlanOrchestrationContext
    from dagster._core.execution.plan.plan import ExecutionPlan
    from dagster._core.execution.plan.state import KnownExecutionState

OUTCOMES = {dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.STEP_UP_FOR_RETRY}


@dataclass(frozen=True)
class Sighting:
    """What a look at a step's process or pod found.

    Attributes:
        gone: how it ended; None while it runs, or waits.
        final: another start would end the same way.
        waits: what it waits for; empty where it does not.
    """

    gone: str | None = None
    final: bool = False
    waits: str = ""


class WatchingStepHandler(StepHandler):
    """Starts steps elsewhere, and can tell how they are."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._final: dict[str, bool] = {}
        self._told: dict[str, str] = {}

    @abstractmethod
    def look(self, context: StepHandlerContext) -> Sighting:
        """Return how the step's process or pod is."""

    def close(self) -> None:
        """Let go of what the run's steps held; every step has ended, or was told to."""

    def is_final(self, step_key: str) -> bool:
        """Tell whether the step's last end was one that another start would repeat."""
        return self._final.get(step_key, False)

    def check_step_health(self, step_handler_context: StepHandlerContext) -> CheckStepHealthResult:
        """Return unhealthy for a process that is gone and has not said how its step ended."""
        if step_handler_context.instance.get_run_by_id(step_handler_context.execute_step_args.run_id) is None:
            signal.raise_signal(signal.SIGTERM)  # the run was deleted, which Dagster tells nobody: it ends as if it had been cancelled
            return CheckStepHealthResult.healthy()
        step, seen = step_key(step_handler_context), self.look(step_handler_context)
        if seen.waits and self._told.get(step) != seen.waits:
            self._told[step] = seen.waits
            DagsterEvent.engine_event(step_handler_context.get_step_context(step), f"{step} waits: {seen.waits}", EngineEventData())
        if seen.gone is None or has_said_its_end(step_handler_context):
            return CheckStepHealthResult.healthy()
        self._final[step] = seen.final
        return CheckStepHealthResult.unhealthy(seen.gone)


class StartingAgainExecutor(StepDelegatingExecutor):
    """Starts a step again whose process is gone, at most `redo` times."""

    def __init__(self, handler: WatchingStepHandler, *, redo: int, max_concurrent: int, look_every: int) -> None:
        super().__init__(handler, RetryMode.ENABLED, max_concurrent=max_concurrent, should_verify_step=True,
                         check_step_health_interval_seconds=look_every)
        self._handler, self._redo = handler, redo

    def execute(self, plan_context: "PlanOrchestrationContext", execution_plan: "ExecutionPlan") -> Generator[DagsterEvent, Any, None]:
        """Run the plan's steps."""
        try:
            yield from super().execute(plan_context, execution_plan)
        finally:
            self._handler.close()

    def log_failure_or_retry_event_after_error(
        self, step_context: "IStepContext", err_info: SerializableErrorInfo, known_state: "KnownExecutionState"
    ) -> DagsterEvent:
        """Ask for another start of a step whose process is gone, while there is one left."""
        step = step_context.step.key
        if self._handler.is_final(step) or known_state.get_retry_state().get_attempt_count(step) >= self._redo:
            return super().log_failure_or_retry_event_after_error(step_context, err_info, known_state)
        return DagsterEvent.step_retry_event(step_context, StepRetryData(error=err_info))


def step_key(context: StepHandlerContext) -> str:
    """Return the one step that a handler is asked about."""
    keys = context.execute_step_args.step_keys_to_execute
    assert keys is not None
    return keys[0]


def attempt(context: StepHandlerContext) -> int:
    """Return how often the step was started before."""
    state = context.execute_step_args.known_state
    return state.get_retry_state().get_attempt_count(step_key(context)) if state else 0


def has_said_its_end(context: StepHandlerContext) -> bool:
    """Tell whether the event log has the end of this start of the step: the process says it before it ends."""
    step = step_key(context)
    entries = context.instance.all_logs(context.execute_step_args.run_id, of_type=OUTCOMES)
    ends = [entry for entry in entries if entry.dagster_event is not None and entry.dagster_event.step_key == step]
    return len(ends) > attempt(context)
