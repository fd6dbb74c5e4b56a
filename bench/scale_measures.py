"""What a row costs: bytes, seconds of the processor, measured on the embedded Postgres with the product's own writing and sealing."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from refresh_overhead import own_home, processor_seconds
from search_latency import CENTRES, DIMENSION, SPACE, apply_rows, hashes_of, make_vectors, questions

from kb_platform.cli import session
from kb_platform.release.gates import ALWAYS_REQUIRED
from kb_platform.storage.inspect_release import neighbour_distances
from kb_platform.storage.releases import seal
from kb_platform.storage.search import search
from kb_platform.storage.sizes import sizes
from kb_platform.storage.vectors import register_space, store_vectors

SEARCHES, EXACT = 50, 8
CHANGED = 100  # one row in so many gets another text and vector, as on a day
PARTS = {"chunk_hnsw": "_hnsw", "chunk_terms": "_terms"}  # indexes of the chunk table that are told apart


@dataclass(frozen=True)
class Measures:
    """Costs of one row (a chunk; one document each) at 384 dimensions, and seconds of one operation over all rows.

    Bytes are on disk, indexes apart. `cpu_ms` are milliseconds of the processor a row, this process and Postgres together; a changed row is closed, written and put into the index. `seconds`
    are by the clock, over all rows: they grow with them.
    """

    rows: int
    characters: int
    bytes: dict[str, float]
    cpu_ms: dict[str, float]
    seconds: dict[str, float]


def measured(rows: int, characters: int = 500) -> Measures:
    """Load and seal so many rows in a home of its own, which is removed."""
    rng = np.random.default_rng(1)
    centres = rng.normal(0, 1 / DIMENSION**0.5, (CENTRES, DIMENSION))
    spent: dict[str, tuple[float, float]] = {}
    with own_home() as folder:
        home, database = folder / "home", session.store("scale").database

        def timed(name: str, call: Callable[[], Any]) -> Any:
            result, spent[name] = _timed(call, home)
            return result

        hashes = hashes_of(rows)
        register_space(database, SPACE)
        vectors = make_vectors(rng, rows, centres)
        timed("store_vector", lambda: store_vectors(database, SPACE.space_id, hashes, vectors))
        release = timed("write_row", lambda: apply_rows(database, hashes, rng))
        with database.transaction("owner") as c:
            timed("build_index", lambda: c.execute("select build_index(%s)", (release,)))
        timed("seal", lambda: seal(database, release, ALWAYS_REQUIRED))
        with database.transaction("owner") as c:
            c.execute("analyze")
        asked = questions(rng, SEARCHES, centres)
        timed("searches", lambda: [search(database, release, q, k=10, depth=100, where=None, role="gate") for q in asked])
        timed("exact_searches", lambda: neighbour_distances(database, release, make_vectors(rng, EXACT, centres), 10))
        taken = _bytes(sizes(database), rows)
        changed = [hashlib.sha256(b"changed" + text_hash).digest() for text_hash in hashes[:rows // CHANGED]]
        store_vectors(database, SPACE.space_id, changed, make_vectors(rng, len(changed), centres))
        timed("change_row", lambda: apply_rows(database, changed, rng))
    counts = dict.fromkeys(("store_vector", "write_row", "build_index", "seal"), rows) | {"change_row": len(changed)}
    per_row = {name: spent[name][1] / count * 1000 for name, count in counts.items()}
    seconds = {name: wall for name, (wall, _) in spent.items()}
    return Measures(rows, characters, taken, per_row, seconds)


def _timed(call: Callable[[], Any], home: Path) -> tuple[Any, tuple[float, float]]:
    wall, cpu = time.perf_counter(), processor_seconds(home)
    result = call()
    return result, (time.perf_counter() - wall, processor_seconds(home) - cpu)


def _bytes(found: list[Any], rows: int) -> dict[str, float]:
    """Return bytes a row by part: the chunk table, its indexes, and the other tables with theirs."""
    taken: dict[str, float] = {}
    for size in found:
        table = "chunk" if size.table.startswith("chunk") else "vector" if size.table.startswith("vector") else "documents"
        named = next((part for part, ending in PARTS.items() if table == "chunk" and ending in size.index), None)
        part = named or (table if not size.index else f"{table}_keys")
        taken[part] = taken.get(part, 0) + size.bytes / rows
    return taken


def as_json(found: Measures) -> dict[str, Any]:
    """Return the measures with four digits."""
    return {name: {key: float(f"{value:.4g}") for key, value in part.items()} if isinstance(part, dict) else part
               for name, part in asdict(found).items()}
