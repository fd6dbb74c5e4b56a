"""Measure search on a knowledge base of made rows: milliseconds of the database's statement by the clock and of the processor.

    python bench/search_latency.py [--rows 20000] [--searches 300] [--json]

Processor time is that of this process and of Postgres; other work on the machine disturbs it less than the clock.

Vectors lie around 500 centres, words follow Zipf's law, and every row is one document. The rows go through the same writing and
sealing as a refresh's; nothing is embedded, and the time is the statement's alone, one client after the other.
"""

import argparse
import datetime as dt
import hashlib
import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from refresh_overhead import own_home, processor_seconds

from kb_platform.cli import session
from kb_platform.index.bundled_model import bundled_space
from kb_platform.release.gates import ALWAYS_REQUIRED
from kb_platform.storage.apply import apply_capture, lock
from kb_platform.storage.captures import record_capture
from kb_platform.storage.database import Database
from kb_platform.storage.releases import open_candidate, seal
from kb_platform.storage.search import Question, search
from kb_platform.storage.vectors import register_space, store_vectors

DIMENSION, CENTRES, WORDS, WORDS_OF_A_ROW = 384, 500, 20_000, 60
SPACE = bundled_space()
WARM = 20  # searches before those that count


def make_vectors(rng: np.random.Generator, count: int, centres: np.ndarray) -> np.ndarray:
    """Return unit vectors around centres, float32 [count, dimension]."""
    vectors = centres[rng.integers(0, len(centres), count)] + rng.normal(0, 0.6 / DIMENSION**0.5, (count, DIMENSION))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def make_words(rng: np.random.Generator, count: int) -> list[int]:
    """Return different words by Zipf's law, ascending."""
    return sorted({min(int(word), WORDS) for word in rng.zipf(1.2, count)})


def hashes_of(rows: int) -> list[bytes]:
    """Return a hash for each row's text."""
    return [hashlib.sha256(str(i).encode()).digest() for i in range(rows)]


def load(database: Database, rows: int, rng: np.random.Generator, centres: np.ndarray) -> int:
    """Write and seal a release of so many rows; return its id."""
    hashes = hashes_of(rows)
    register_space(database, SPACE)
    store_vectors(database, SPACE.space_id, hashes, make_vectors(rng, rows, centres))
    release = apply_rows(database, hashes, rng)
    seal(database, release, ALWAYS_REQUIRED)
    with database.transaction("owner") as c:
        c.execute("analyze")
    return release


def apply_rows(database: Database, hashes: list[bytes], rng: np.random.Generator) -> int:
    """Write rows whose vectors are stored into a candidate, and return its id."""
    capture = record_capture(database, source="made", day=dt.date(2026, 1, 1), file="", digest=b"made", upserted=[], deleted=["x"],
                             restamped=[], run_id="bench")
    assert capture is not None
    with database.transaction("writer") as c:
        lock(c, database)
        release = open_candidate(c, SPACE.space_id, "bench", "bench")
        apply_capture(c, capture, release, SPACE.space_id, "bench", _documents(hashes, rng))
    return release


def _documents(hashes: list[bytes], rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    for i, text_hash in enumerate(hashes):
        terms = make_words(rng, WORDS_OF_A_ROW)
        chunk = {"ordinal": 0, "start": 0, "end": 500, "content_hash": text_hash, "dup_no": 0, "text_hash": text_hash,
                 "content": f"row {i} " + "x" * 500, "context": "", "terms": terms, "weights": [0.5] * len(terms)}
        yield {"doc_id": f"d{i}", "deleted": False, "failure": None, "version_hash": text_hash, "title": f"row {i}", "metadata": "{}",
               "media_type": "text/plain", "source_object": "", "chunks": [chunk]}


def questions(rng: np.random.Generator, count: int, centres: np.ndarray) -> list[Question]:
    """Return questions of four words and a vector near a centre."""
    found = []
    for vector in make_vectors(rng, count, centres):
        words = [int(word) for word in rng.integers(20, 2000, 4)]
        found.append(Question(SPACE.space_id, vector, dict.fromkeys(words, 0.25), words, 0.55))
    return found


def main() -> None:
    """Load, search, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # pyright: ignore[reportOptionalMemberAccess]
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--searches", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    rng = np.random.default_rng(1)
    centres = rng.normal(0, 1 / DIMENSION**0.5, (CENTRES, DIMENSION))
    with own_home() as folder:
        database = session.store("bench").database
        release = load(database, wanted.rows, rng, centres)
        seconds, spent = [], 0.0
        for i, question in enumerate(questions(rng, wanted.searches + WARM, centres)):
            if i == WARM:
                spent = processor_seconds(folder / "home")
            began = time.perf_counter()
            search(database, release, question, k=10, depth=100, where=None, role="gate")
            seconds.append(time.perf_counter() - began)
        cpu = (processor_seconds(folder / "home") - spent) / wanted.searches * 1000
    p50, p95 = (float(np.percentile(seconds[WARM:], p)) * 1000 for p in (50, 95))
    report = {"rows": wanted.rows, "searches": wanted.searches, "p50_ms": round(p50, 2), "p95_ms": round(p95, 2), "cpu_ms": round(cpu, 2)}
    print(json.dumps(report) if wanted.json else
          f"{wanted.rows} rows, {wanted.searches} searches: {p50:.2f} ms, 95 % within {p95:.2f} ms; {cpu:.2f} ms of the processor")


if __name__ == "__main__":
    main()
