"""The process behind step_processes.py: it runs one step as Dagster's own command does, and ends when who started it is gone."""

import os
import runpy
import sys
from threading import Thread


def main(descriptor: int) -> None:
    """Run the step that the environment describes."""
    Thread(target=_end_with_starter, args=[descriptor], daemon=True).start()
    sys.argv = ["dagster", "api", "execute_step"]
    runpy.run_module("dagster", run_name="__main__")


def _end_with_starter(descriptor: int) -> None:
    os.read(descriptor, 1)  # nothing is ever written: it returns when the other end closes
    os._exit(1)
