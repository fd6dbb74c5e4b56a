"""Launches runs in processes of this machine, as Dagster's own launcher does, and can tell whether a run's process still lives.

The home's dagster.yaml names it. Dagster's run monitoring asks it every half minute: a run that was killed gives its place in the queue to
the next one although nobody runs a command.
"""

from pathlib import Path

from dagster import DagsterRun, DefaultRunLauncher
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, WorkerStatus

from kb_platform.local.orphans import is_abandoned, launched_tags


class LocalRunLauncher(DefaultRunLauncher):
    """Dagster's launcher of local processes, which marks what it launches."""

    @property
    def _home(self) -> Path:
        return Path(self._instance.root_directory).parent

    def launch_run(self, context: LaunchRunContext) -> None:
        """Launch a run; its tags say where."""
        self._instance.add_run_tags(context.dagster_run.run_id, launched_tags(self._home))
        super().launch_run(context)

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Return that it can tell whether the process of a run lives."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Return whether the process of a run, one of the daemon's or a command, is gone; what cannot be seen from here counts as running."""
        if is_abandoned(self._instance, self._home, run):
            return CheckRunHealthResult(WorkerStatus.FAILED, "the run's process ended without a last word")
        return CheckRunHealthResult(WorkerStatus.RUNNING)
