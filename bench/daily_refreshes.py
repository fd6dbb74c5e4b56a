"""Measure what many small refreshes with garbage collection leave of an index: recall, latency and bytes against a fresh build.

    python bench/daily_refreshes.py [--days 50] [--share 0.01] [--rows 10000] [--keep 7] [--dead-share 0.15] [--json]

Every day a share of the documents gets other text, is applied to a candidate, sealed, promoted, and maintenance runs. Then the end state
is loaded into another knowledge base of the same server, in one release, and both are searched in turn.

The functions are those that the assets call for applying, sealing, promoting and maintaining (below Dagster, which would add some
seconds a day). Not run: parsing, chunking, the model and the measuring gates, which leave no trace in the index; verdicts are entered
as passed. Vectors lie around 500 centres, words follow Zipf's law, a document is one row (bench/search_latency.py). A simulated day is
told to maintenance as its time; vectors carry the real one, so those that no row uses go all at once when 30 days are over. As such a
day takes two seconds, autovacuum is made to look every second, not every minute.

Recall@10 is that of the index against exact search over the live release. Milliseconds are the medians of interleaved searches;
processor milliseconds, of this process and of Postgres, are disturbed less by other work on the machine.
"""

import argparse
import datetime as dt
import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from refresh_overhead import own_home, processor_seconds
from search_latency import CENTRES, DIMENSION, SPACE, WORDS_OF_A_ROW, make_vectors, make_words, questions

from kb_platform.cli import session
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.retention import Retention
from kb_platform.release.gates import ALWAYS_REQUIRED
from kb_platform.release.maintenance import maintain
from kb_platform.storage.apply import apply_capture, lock
from kb_platform.storage.captures import record_capture
from kb_platform.storage.gates import GateResult, record_gate
from kb_platform.storage.inspect_release import neighbour_distances
from kb_platform.storage.releases import open_candidate, promote, seal
from kb_platform.storage.search import Question, search
from kb_platform.storage.sizes import sizes
from kb_platform.storage.stores import Store
from kb_platform.storage.vectors import register_space, store_vectors

FIRST = dt.date(2026, 1, 1)
TOLERATED = 0.03
BLOCK, BLOCKS = 100, 20


@dataclass(frozen=True)
class Version:
    """What a document holds: a vector and words, by the hash of the text that it stands for."""

    text_hash: bytes
    vector: np.ndarray
    terms: list[int]


@dataclass
class Corpus:
    """Documents, changed by the day."""

    rng: np.random.Generator
    centres: np.ndarray
    documents: dict[str, Version] = field(default_factory=dict)
    made: int = 0

    def change(self, names: Sequence[str]) -> None:
        """Give documents other content."""
        for name, vector in zip(names, make_vectors(self.rng, len(names), self.centres), strict=True):
            self.made += 1
            self.documents[name] = Version(hashlib.sha256(str(self.made).encode()).digest(), vector, make_words(self.rng, WORDS_OF_A_ROW))

    def rows(self, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield rows as a chunk file has them."""
        for name in names:
            v = self.documents[name]
            chunk = {"ordinal": 0, "start": 0, "end": 500, "content_hash": v.text_hash, "dup_no": 0, "text_hash": v.text_hash,
                     "content": v.text_hash.hex() + "x" * 500, "context": "", "terms": v.terms, "weights": [0.5] * len(v.terms)}
            yield {"doc_id": name, "deleted": False, "failure": None, "version_hash": v.text_hash, "title": name, "metadata": "{}",
                   "media_type": "text/plain", "source_object": "", "chunks": [chunk]}


def release(store: Store, corpus: Corpus, names: Sequence[str], day: int) -> int:
    """Apply some documents, seal, enter passed verdicts, promote; return the release."""
    database = store.database
    register_space(database, SPACE)
    versions = [corpus.documents[name] for name in names]
    store_vectors(database, SPACE.space_id, [v.text_hash for v in versions], np.stack([v.vector for v in versions]))
    capture = record_capture(database, source="made", day=FIRST + dt.timedelta(day), file="", digest=str(day).encode(), upserted=[],
                             deleted=["x"], restamped=[], run_id="bench")
    assert capture is not None
    with database.transaction("writer") as c:
        lock(c, database)
        number = open_candidate(c, SPACE.space_id, "bench", "bench")
        apply_capture(c, capture, number, SPACE.space_id, "bench", corpus.rows(names))
    digest = seal(database, number, ALWAYS_REQUIRED)
    for gate in ALWAYS_REQUIRED:
        record_gate(database, number, digest, GateResult(gate, True, "pass", 1.0, 1.0, {}), "bench")
    promote(database, number)
    return number


@dataclass(frozen=True)
class Built:
    """A knowledge base at its end state."""

    store: Store
    release: int

    def recall(self, vectors: np.ndarray) -> float:
        """Return the share of the ten nearest that the index finds, over searches near the centres."""
        pairs = neighbour_distances(self.store.database, self.release, vectors, 10)
        return float(np.mean([sum(d <= exact[-1] + 1e-6 for d in found) / len(exact) for found, exact in pairs]))

    def bytes(self) -> dict[str, int]:
        """Return bytes by table, with its indexes; the HNSW index apart."""
        found = dict.fromkeys(("chunk", "hnsw", "vector", "document_version", "passage", "term_df", "rest"), 0)
        for size in sizes(self.store.database):
            table = size.table.removesuffix(f"_{SPACE.space_id}")
            found["hnsw" if "_hnsw" in size.index else table if table in found else "rest"] += size.bytes
        return found | {"all": sum(found.values())}


def replay(store: Store, kb: KnowledgeBase, corpus: Corpus, days: int, share: float) -> tuple[Built, list[dict[str, Any]]]:
    """Load, then refresh and maintain day by day; return the end and what each day left."""
    names, began, told = list(corpus.documents), dt.datetime.now(dt.UTC), list[dict[str, Any]]()
    built = Built(store, release(store, corpus, names, 0))
    for day in range(1, days + 1):
        changed = [str(name) for name in corpus.rng.choice(names, max(round(share * len(names)), 1), replace=False)]
        corpus.change(changed)
        built, done = Built(store, release(store, corpus, changed, day)), maintain(store, kb, now=began + dt.timedelta(day))
        if done is None:
            raise SystemExit("maintenance found a refresh going on, and there is none")
        told.append({"day": day, "deleted": sum(done.collected.rows.values()), "rebuilt": len(done.rebuilt), "dead_share": done.collected.dead_share,
                     "seconds": sum(done.seconds.values()), "bytes": built.bytes()["all"]})
    return built, told


def measure(home: Path, both: Sequence[Built], asked: list[Question]) -> list[dict[str, float]]:
    """Return median and processor milliseconds of a search of each, asked in turn in blocks."""
    wall, cpu = [list[float]() for _ in both], [0.0 for _ in both]
    for block in range(-1, BLOCKS):  # the first warms
        for n, built in enumerate(both):
            before = processor_seconds(home)
            for question in asked[max(block, 0) * BLOCK:][:BLOCK]:
                began = time.perf_counter()
                search(built.store.database, built.release, question, k=10, depth=100, where=None, role="gate")
                wall[n] += [(time.perf_counter() - began) * 1000] if block >= 0 else []
            cpu[n] += processor_seconds(home) - before if block >= 0 else 0.0
    return [{"p50_ms": float(np.median(w)), "cpu_ms": c / len(w) * 1000} for w, c in zip(wall, cpu, strict=True)]


def autovacuum_every(store: Store, naptime: str) -> None:
    """Set how often the server looks for tables to vacuum."""
    with store.database.session("owner") as c:
        c.execute(f"alter system set autovacuum_naptime = '{naptime}'".encode())
        c.execute("select pg_reload_conf()")
    time.sleep(3)  # what it is at may end


def run(days: int, share: float, rows: int, retention: Retention) -> dict[str, Any]:
    """Return the figures."""
    rng = np.random.default_rng(1)
    centres = rng.normal(0, 1 / DIMENSION**0.5, (CENTRES, DIMENSION))
    corpus = Corpus(rng, centres)
    corpus.change([f"d{n}" for n in range(rows)])
    with own_home() as folder:
        autovacuum_every(session.store("daily"), "1s")
        kb = KnowledgeBase("daily", folder, (), FIRST, retention=retention)
        daily, told = replay(session.store("daily"), kb, corpus, days, share)
        fresh_store = session.store("fresh")
        fresh = Built(fresh_store, release(fresh_store, corpus, list(corpus.documents), 0))
        for each in (daily, fresh):  # as autovacuum leaves both within a minute; pages that were never vacuumed make reading them dearer
            with each.store.database.session("owner") as c:
                c.execute("vacuum (analyze)")
        autovacuum_every(fresh_store, "1d")
        near = make_vectors(rng, BLOCK * 3, centres)
        recall = [built.recall(near) for built in (daily, fresh)]
        speed = measure(folder / "home", (daily, fresh), questions(rng, BLOCK * BLOCKS, centres))
        held = [built.bytes() for built in (daily, fresh)]
    ratios = {name: speed[0][name] / speed[1][name] for name in speed[0]} | {"recall": recall[0] / recall[1]}
    return {
        "days": days, "share": share, "rows": rows, "keep_releases": retention.keep_releases, "dead_share": told[-1]["dead_share"],
        "rebuilds": sum(t["rebuilt"] for t in told), "maintenance_seconds": round(sum(t["seconds"] for t in told), 1),
        "recall@10": [round(r, 4) for r in recall], "speed": [{k: round(v, 3) for k, v in s.items()} for s in speed],
        "ratios": {k: round(v, 4) for k, v in ratios.items()}, "bytes": held,
        "bytes_ratios": {k: round(held[0][k] / held[1][k], 3) for k in held[0]},
        "most_bytes_ratio": round(max(t["bytes"] for t in told) / held[1]["all"], 3),
        "within": ratios["recall"] >= 1 - TOLERATED and ratios["cpu_ms"] <= 1 + TOLERATED,
        "by_day": told,
    }


def main() -> None:
    """Replay, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # pyright: ignore[reportOptionalMemberAccess]
    parser.add_argument("--days", type=int, default=50)
    parser.add_argument("--share", type=float, default=0.01)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--keep", type=int, default=Retention.keep_releases)
    parser.add_argument("--dead-share", type=float, default=Retention.dead_share)
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    report = run(wanted.days, wanted.share, wanted.rows, Retention(keep_releases=wanted.keep, dead_share=wanted.dead_share))
    if wanted.json:
        print(json.dumps(report))
        return
    print(f"{wanted.days} days of {wanted.share:.0%} over {wanted.rows} rows, {wanted.keep} releases kept: daily / fresh")
    print(f"recall@10 {report['recall@10'][0]} / {report['recall@10'][1]}, speed {report['speed'][0]} / {report['speed'][1]}")
    print(f"ratios {report['ratios']}, bytes {report['bytes_ratios']}, at most {report['most_bytes_ratio']}; {report['rebuilds']} rebuilds")


if __name__ == "__main__":
    main()
