"""Measure the golden gate on many goldens: seconds, processor seconds and peak memory.

    KB_HOME=... KB_DEFS=... python bench/golden_throughput.py NAME [--goldens 10000] [--json]

NAME is a knowledge base with a live release (docs/evaluate.md: medquad). Goldens are made from its own sentences: the sentence is
the quote, seven words of it in disorder the question. Searched twice, as a refresh does it for candidate and live release, with the
question vectors shared, then decided. Nothing is written to the knowledge base or to the database. Processor time is that of this
process, and `with_postgres` that of the home's Postgres too: other work on the machine disturbs it less than the clock.
"""

import argparse
import json
import random
import re
import resource
import time
from collections.abc import Iterator

from refresh_overhead import processor_seconds
from rich.console import Console
from rich.progress import Progress

from kb_platform.cli import session
from kb_platform.quality.gate import decide_gate
from kb_platform.quality.golden import ExpectedPassage, Golden, GoldenSet
from kb_platform.release.golden_scores import Questions, documents_of, score_goldens
from kb_platform.resources import load_embedder
from kb_platform.storage.database import Database
from kb_platform.storage.releases import live_release

SENTENCE = re.compile(r"[A-Z][^.!?\n]{60,300}[.!?]")


def made_goldens(database: Database, release: int, count: int) -> GoldenSet:
    """Return goldens from the sentences of a release, drawn with a fixed seed; fewer where it has fewer sentences."""
    rng = random.Random(7)  # noqa: S311  no secret
    sentences = [(key.doc_id, text) for key, document in documents_of(database, release, None) for text in SENTENCE.findall(document)]
    rng.shuffle(sentences)
    return GoldenSet.of([made(number, *pair, rng) for number, pair in enumerate(sentences[:count])])


def made(number: int, document: str, sentence: str, rng: random.Random) -> Golden:
    """Return one golden."""
    words = sentence.rstrip(".!?").split()
    question = " ".join(rng.sample(words, min(7, len(words)))) + "?"
    return Golden(f"made-{number:05}", question, (ExpectedPassage(document, sentence),), (f"slice-{number % 5}",))


def measured(name: str, count: int) -> Iterator[tuple[str, float]]:
    """Yield what was measured, by name."""
    kb, store = session.knowledge_base(name), session.store(name)
    release = live_release(store.database)
    if release is None:
        raise SystemExit(f"{name} has no live release: refresh it first")
    asked = Questions(made_goldens(store.database, release, count))
    yield "goldens", len(asked.goldens.goldens)
    yield "peak_mb_before", peak_mb()
    wall, processor, all_processor = time.perf_counter(), time.process_time(), processor_seconds(session.settings().home)
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("")

        def tell(what: str, done: int, total: int | None) -> None:
            bar.update(task, description=what, completed=done, total=total)

        now, live = (score_goldens(store, kb, asked, release, load_embedder, tell) for _ in range(2))
    verdict = decide_gate(now.metrics.per_query, live.metrics.per_query, asked.goldens, stale=now.stale, live_stale=live.stale)
    yield "seconds", time.perf_counter() - wall
    yield "processor_seconds", time.process_time() - processor
    yield "with_postgres", processor_seconds(session.settings().home) - all_processor
    yield "peak_mb", peak_mb()
    yield "stale", len(now.stale)
    yield "success_at_5", verdict.evidence.metrics["Success@5"]


def peak_mb() -> float:
    """Return the largest memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--goldens", type=int, default=10_000)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with session.database_running():
        found = {name: round(value, 3) for name, value in measured(asked.name, asked.goldens)}
    print(json.dumps(found) if asked.json else "\n".join(f"{name:18} {value:10.1f}" for name, value in found.items()))


if __name__ == "__main__":
    main()
