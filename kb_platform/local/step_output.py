"""What steps print goes to files, which the pages show, and to nowhere else.

Dagster's own manager also mirrors each stream with two processes a step, `tail` and a watcher. On a terminal both get Ctrl-C, and
the watchers answer with tracebacks; what they mirror would bury the report anyway.
"""

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dagster._core.execution.compute_logs import redirect_to_file
from dagster._core.storage.compute_log_manager import CapturedLogContext, ComputeIOType
from dagster._core.storage.local_compute_log_manager import IO_TYPE_EXTENSION, LocalComputeLogManager
from dagster._serdes import ConfigurableClassData


class FileComputeLogManager(LocalComputeLogManager):
    """Dagster's manager of local files, without the mirror. The home's dagster.yaml names it."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "FileComputeLogManager":
        """Return the manager that dagster.yaml describes."""
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Generator[CapturedLogContext, None, None]:
        """Let standard output and error go to the step's files."""
        out, err = (Path(self.get_captured_local_path(log_key, IO_TYPE_EXTENSION[kind])) for kind in (ComputeIOType.STDOUT, ComputeIOType.STDERR))
        out.parent.mkdir(parents=True, exist_ok=True)
        with redirect_to_file(sys.stdout, str(out)), redirect_to_file(sys.stderr, str(err)):
            yield CapturedLogContext(log_key)
        Path(self.complete_artifact_path(log_key)).touch()
