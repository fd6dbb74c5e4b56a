"""Measure what loading the code location costs beside `import dagster`, which nothing that Dagster loads can avoid.

    python bench/import_time.py [--rounds 7] [--json]

Each round starts a fresh interpreter for each statement, in turn; ratios are of the medians of processor time. The code location is
imported; then, in another interpreter, imported and built: every knowledge base of KB_DEFS becomes assets, checks, jobs, schedules and sensors. Libraries of
models and of the database that were loaded on the way are named, for there should be none.
"""

import argparse
import json
import statistics
import subprocess
import sys

HEAVY = ("openvino", "torch", "tokenizers", "transformers", "numpy", "pyarrow", "psycopg", "llama_index", "deepeval", "temporalio", "cryptography", "kubernetes")
STATEMENTS = {
    "dagster": "import dagster",
    "imported": "import kb_platform.definitions",
    "code_location": "import kb_platform.definitions as found; found.defs()",
}
MEASURED = f"""
import resource, sys, warnings
warnings.simplefilter("ignore")
{{statement}}
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, *(name for name in {HEAVY} if name in sys.modules))
"""


def run(statement: str) -> tuple[float, list[str]]:
    """Return the processor seconds of a fresh interpreter, and which heavy libraries it had loaded at the end."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED.format(statement=statement)], capture_output=True, text=True, check=True
    )
    seconds, *loaded = done.stdout.split()
    return float(seconds), loaded


def main() -> None:
    """Alternate, and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="interpreters started for each statement")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    asked = parser.parse_args()
    seconds: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    loaded: set[str] = set()
    for _ in range(asked.rounds):
        for name, statement in STATEMENTS.items():
            took, found = run(statement)
            seconds[name].append(took)
            loaded |= set(found) if name == "code_location" else set()
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    imported, ratio = (medians[name] / medians["dagster"] for name in ("imported", "code_location"))
    if asked.json:
        print(json.dumps({"ratio": ratio, "ratio_imported": imported, "cpu_seconds": medians, "heavy_libraries": sorted(loaded)}))
        return
    print(f"import dagster       {medians['dagster']:.2f} CPU-s")
    print(f"import of ours       {medians['imported']:.2f} CPU-s, {imported:.2f} times as much")
    print(f"code location built  {medians['code_location']:.2f} CPU-s, {ratio:.2f} times as much")
    print(f"heavy libraries      {', '.join(sorted(loaded)) or 'none'}")


if __name__ == "__main__":
    main()
