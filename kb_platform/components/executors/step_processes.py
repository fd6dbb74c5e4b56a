"""Steps in processes of this machine: the same executor as in a cluster, for several devices or for models that may take a process down."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from dagster._core.events import DagsterEvent
from dagster._core.executor.step_delegating import StepHandlerContext

from kb_platform.components.executors.watching import Sighting, WatchingStepHandler, attempt, step_key
from kb_platform.settings import inherited_environment

START = "import sys; sys.path[:] = sys.argv[2:]; from kb_platform.components.executors.step_process import main; main(int(sys.argv[1]))"


@dataclass(frozen=True)
class StepProcess:
    """A step's process, and the end of a pipe whose closing ends it."""

    process: subprocess.Popen[bytes]
    held: int

    def end(self, patience: float = 0) -> None:
        """Let it end by itself for some seconds, then by SIGTERM, of which its step tells the log, then at once."""
        for ask, seconds in ((lambda: None, patience), (self.process.terminate, 10), (self.process.kill, None)):
            ask()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
                break
        os.close(self.held)


class ProcessStepHandler(WatchingStepHandler):
    """Starts each step in a process of its own, which ends with this one."""

    def __init__(self) -> None:
        super().__init__()
        self._running: dict[str, StepProcess] = {}

    @property
    def name(self) -> str:
        """Return what Dagster's log calls it."""
        return "ProcessStepHandler"

    def launch_step(self, step_handler_context: StepHandlerContext) -> Iterator[DagsterEvent]:
        """Start the process."""
        step, arguments = step_key(step_handler_context), step_handler_context.execute_step_args
        environment = {variable["name"]: variable["value"] for variable in arguments.get_command_env()}
        theirs, ours = os.pipe()
        process = subprocess.Popen([sys.executable, "-c", START, str(theirs), *sys.path], pass_fds=[theirs], stdin=subprocess.DEVNULL,
                                   env=inherited_environment(environment | {"DAGSTER_RUN_STEP_KEY": step}))
        os.close(theirs)
        if step in self._running:  # an earlier start, which is gone
            self._running.pop(step).end()
        self._running[step] = StepProcess(process, ours)
        yield DagsterEvent.step_worker_starting(
            step_handler_context.get_step_context(step), metadata={"pid": process.pid},
            message=f'Executing step "{step}" in process {process.pid}, start {attempt(step_handler_context) + 1}.')

    def look(self, context: StepHandlerContext) -> Sighting:
        """Return whether the process runs, or how it ended."""
        running = self._running[step_key(context)].process
        code = running.poll()
        return Sighting() if code is None else Sighting(gone=f"its process {running.pid} ended with {_said(code)}")

    def terminate_step(self, step_handler_context: StepHandlerContext) -> Iterator[DagsterEvent]:
        """End the process: a step that hears SIGTERM says so in the log."""
        self._running.pop(step_key(step_handler_context)).end()
        yield from ()

    def close(self) -> None:
        """Wait for processes that have said how their step ended, and are about to end."""
        while self._running:
            self._running.popitem()[1].end(patience=30)


def _said(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
