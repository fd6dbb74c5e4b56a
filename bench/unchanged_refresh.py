"""Measure a refresh with nothing changed: the whole command, and the work alone in a process that is warm, beside `import dagster`.

    OV_CPU_MAX_ISA=avx2 python bench/unchanged_refresh.py [--documents 368] [--corpus FILE.jsonl] [--rounds 7] [--json]

In a home of its own, which it removes, it releases a knowledge base of Markdown documents made from a seed, or of a file's, with a golden
query, and then changes nothing. Each round starts a fresh interpreter that imports dagster, starts `kb refresh`, and refreshes in this
process, in turn; Postgres runs all the while, as it does after `kb up`. Medians; ratios are to `import dagster` in the same run. Processor time
is that of the process and of all of Postgres: other work on the machine disturbs it less than the clock.

Exit code 1 if anything was computed or written, or if the processor time is above the target.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path
from typing import Any

import yaml
from refresh_overhead import define, make_corpus, measure, own_home

from kb_platform.cli import session
from kb_platform.cli.refreshing import refresh_once
from kb_platform.knowledge.documents import Document

TARGETS = {"work": 1.0, "command": 5.0}  # seconds on two cores without AVX-512
NAME = "measured"
COLUMNS = ("seconds", "ratio", "CPU-s", "ratio")


def prepare(folder: Path, documents: list[Document]) -> None:
    """Release the documents, with a golden query about the first one."""
    define(folder, NAME, documents)
    goldens = [{"id": "first", "question": documents[0].title, "expected": [{"document": documents[0].doc_id, "whole": True}]}]
    (folder / "defs" / NAME / "golden").mkdir()
    (folder / "defs" / NAME / "golden" / "golden.yaml").write_text(yaml.safe_dump({"version": 1, "goldens": goldens}), encoding="utf-8")
    report = refresh_once(session.knowledge_base(NAME), None, None, quiet=True)
    if not report["promoted"]:
        raise SystemExit(f"the first refresh was not promoted: {report}")


def require_unchanged(report: dict[str, Any]) -> None:
    """End the bench if a refresh has done anything."""
    done = (report["vectors"]["computed"], *report["rows"].values(), report["documents"]["new"], report["documents"]["changed"], report["documents"]["deleted"])
    if any(done) or report["moved"]:
        raise SystemExit(f"expected that nothing is done, found {report}")


def started(command: list[str]) -> str:
    """Run a process in this home; return what it printed."""
    home = {"KB_HOME": str(session.settings().home), "KB_DEFS": str(session.settings().defs), "KB_OBJECT_STORE": session.settings().object_store_url}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | home | {"PYTHONWARNINGS": "ignore"}).stdout


def ways() -> dict[str, Callable[[], object]]:
    """Return what is measured, by name."""
    kb = str(Path(sys.executable).with_name("kb"))
    return {
        "import dagster": lambda: started([sys.executable, "-c", "import dagster"]),
        "command": lambda: require_unchanged(json.loads(started([kb, "refresh", NAME, "--json"]))),
        "work": lambda: require_unchanged(refresh_once(session.knowledge_base(NAME), None, None, quiet=True)),
    }


def run(documents: list[Document], rounds: int) -> dict[str, tuple[float, float]]:
    """Alternate; return the medians of seconds by the clock and of the processor."""
    with own_home() as folder:
        prepare(folder, documents)
        costs: dict[str, list[tuple[float, float]]] = {name: [] for name in ways()}
        for number in range(rounds + 1):
            for name, way in ways().items():
                _, cost = measure(way, folder / "home")
                if number:  # the first round fills the caches of files
                    costs[name].append(astuple(cost))
    return {name: tuple(statistics.median(column) for column in zip(*rows, strict=True)) for name, rows in costs.items()}  # pyright: ignore[reportReturnType]


def read(corpus: Path) -> list[Document]:
    """Return the documents of a JSON Lines file."""
    rows = [json.loads(line) for line in corpus.read_text(encoding="utf-8").splitlines() if line]
    return [Document(row["doc_id"], row.get("title") or row["doc_id"], row["text"]) for row in rows]


def made(count: int) -> list[Document]:
    """Return so many documents, made from a seed."""
    return make_corpus(12 * count).documents[:count]


def main() -> None:
    """Print the medians and their ratios to the first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=368, help="how many are made")
    parser.add_argument("--corpus", type=Path, help="a JSON Lines file with doc_id, title and text, in place of made documents")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore", message=".* is currently in beta", module="dagster")
    found = run(read(asked.corpus) if asked.corpus else made(asked.documents), asked.rounds)
    base = found["import dagster"]
    if asked.json:
        print(json.dumps({name: {"seconds": wall, "cpu_seconds": cpu, "ratio_cpu": cpu / base[1]} for name, (wall, cpu) in found.items()}))
    else:
        print(f"{'':<16}" + "".join(f"{column:>9}" for column in COLUMNS))
        for name, (wall, cpu) in found.items():
            print(f"{name:<16}{wall:9.2f}{wall / base[0]:9.2f}{cpu:9.2f}{cpu / base[1]:9.2f}")
    sys.exit(0 if all(found[name][1] <= target for name, target in TARGETS.items()) else 1)


if __name__ == "__main__":
    main()
