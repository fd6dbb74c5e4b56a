"""Measure how long commands take beside `import dagster`: what a person waits for at the prompt.

    kb refresh handbook && kb up
    python bench/command_time.py handbook [--rounds 7] [--json]

The home, and its servers, are those that `kb` would use. Each round starts a fresh process for each command, in turn; ratios are of the medians. Processor
time is that of the command's own processes: what Postgres did for it is in the seconds by the clock alone.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

PYTHON = Path(sys.executable)
ASKED = "At what temperature must vaccines be kept?"


def commands(base: str) -> dict[str, list[str]]:
    """Return what is started, by the name that it has in the table."""
    kb = str(PYTHON.parent / "kb")
    return {
        "import dagster": [str(PYTHON), "-c", "import dagster"],
        "kb --help": [kb, "--help"],
        "kb releases": [kb, "releases", base],
        "kb search": [kb, "search", base, ASKED],
    }


def run(command: list[str]) -> tuple[float, float]:
    """Return seconds by the clock and of the processor; an error of the command ends the bench with what it said."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, capture_output=True, check=True, env=os.environ | {"PYTHONWARNINGS": "ignore"})
    took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Alternate, and print the medians and their ratios to the first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", help="a knowledge base with a live release")
    parser.add_argument("--rounds", type=int, default=7, help="processes started for each command")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    asked = parser.parse_args()
    started = commands(asked.base)
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in started}
    for number in range(asked.rounds + 1):
        for name, command in started.items():
            if number:  # the first round fills the caches of files
                measured[name].append(run(command))
            else:
                run(command)
    clock, processor = ({name: statistics.median(values[which] for values in rows) for name, rows in measured.items()} for which in (0, 1))
    first = next(iter(started))
    if asked.json:
        ratios = {name: {"seconds": clock[name] / clock[first], "cpu_seconds": processor[name] / processor[first]} for name in started}
        print(json.dumps({"seconds": clock, "cpu_seconds": processor, "ratios": ratios}))
        return
    print(f"{'':<16}{'seconds':>8}{'ratio':>7}{'CPU-s':>8}{'ratio':>7}")
    for name in started:
        print(f"{name:<16}{clock[name]:8.2f}{clock[name] / clock[first]:7.2f}{processor[name]:8.2f}{processor[name] / processor[first]:7.2f}")


if __name__ == "__main__":
    main()
