"""Measure what a release costs the database when a share of its rows has changed: writing, index, seal with its digest, pointer.

    python bench/changed_rows.py [--rows 37000] [--shares 0.01 0.1 1] [--one-by-one] [--against CHECKOUT] [--json]

For each share that part of the documents (ten chunks each) gets other texts and vectors, is applied to a candidate, sealed, judged and promoted,
one share after the other over the same rows. Nothing but the database is measured: texts are made, vectors are random and of length 1.
`digest` is the share of the seal that makes the digest (rows of the changed documents, then one digest over those of all documents), `old_digest`
what the digest over the whole content cost, which revision 0008 replaced: both over the same release.

`--one-by-one` repeats the largest share with every row put into the index that is there, as before revision 0010. `--against` runs the
smallest share three times, in turn, with this code and with that of another checkout, such as one of commit da3d3b2.

All figures are seconds of the processor, of this process and of Postgres with all its processes: other work on the machine disturbs them less
than the clock. Ratios are of one run.
"""

import argparse
import datetime as dt
import hashlib
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil

CHUNKS = 10  # of a document
DIMENSION, WORDS = 384, 40
GATES = ("coverage", "index_recall", "embedding_health")


def rows_of(names: Sequence[int], version: int) -> Iterator[dict[str, Any]]:
    """Yield documents as a chunk file has them."""
    rng = np.random.default_rng(version)
    for name in names:
        chunks = []
        for ordinal in range(CHUNKS):
            key = hash_of(name, ordinal, version)
            terms = sorted({int(word) for word in rng.zipf(1.3, WORDS) % 20_000 + 1})
            chunks.append({"ordinal": ordinal, "start": ordinal * 500, "end": ordinal * 500 + 500, "content_hash": key, "dup_no": 0, "text_hash": key,
                           "content": key.hex() + "x" * 436, "context": "", "terms": terms, "weights": [0.5] * len(terms)})
        yield {"doc_id": f"d{name}", "deleted": False, "failure": None, "version_hash": hash_of(name, -1, version), "title": f"d{name}",
               "metadata": "{}", "media_type": "text/plain", "source_object": "", "chunks": chunks}


def hash_of(name: int, ordinal: int, version: int) -> bytes:
    """Return what stands for a text."""
    return hashlib.sha256(f"{name} {ordinal} {version}".encode()).digest()


class Measured:
    """One knowledge base and what its releases have cost."""

    def __init__(self, database: Any, home: Path) -> None:
        from kb_platform.knowledge.spaces import EmbeddingSpace
        from kb_platform.storage.vectors import register_space

        self.database, self.home, self.version = database, home, 0
        self.space = EmbeddingSpace("made", "0" * 64, DIMENSION, 256, "mean", "", "", "made")
        register_space(database, self.space)

    def release(self, names: Sequence[int]) -> dict[str, float]:
        """Give documents other content, and bring it live; return the seconds of each part."""
        from kb_platform.storage.releases import promote, seal

        self.version += 1
        self._store_vectors(names)
        spent: dict[str, float] = {}
        release = self._timed(spent, "write", lambda: self._apply(names))
        digests = self._digests(release)
        self._timed(spent, "index", lambda: self._owner("select build_index(%s)" if digests else "select build_index()", release, digests))
        digest = self._timed(spent, "seal", lambda: seal(self.database, release, GATES))
        self._timed(spent, "pointer", lambda: (self._judge(release, digest), promote(self.database, release)))
        for name, statement in digests.items():
            self._timed(spent, name, lambda statement=statement: self._owner(statement, release, 1))
        return spent | {"all": sum(spent[part] for part in ("write", "index", "seal", "pointer"))}

    def _digests(self, release: int) -> dict[str, str]:
        """Return how to make only the digests of a release, old and new; nothing in a checkout that has one of them alone."""
        known = self._owner("select to_regprocedure('text_digest(int)') is not null", release, 0)
        return {"old_digest": "select text_digest(%s)",
                "digest": """select (select count(*) from digests_of_rows(r.release_id, true)), (select s.digest from sealed_digest(r) s)
                             from release r where r.release_id = %s"""} if known else {}

    def _store_vectors(self, names: Sequence[int]) -> None:
        from kb_platform.storage.vectors import store_vectors

        for start in range(0, len(names), 2000):
            some = names[start:start + 2000]
            drawn = np.random.default_rng([self.version, start]).normal(size=(len(some) * CHUNKS, DIMENSION)).astype(np.float32)
            hashes = [hash_of(name, ordinal, self.version) for name in some for ordinal in range(CHUNKS)]
            store_vectors(self.database, self.space.space_id, hashes, drawn / np.linalg.norm(drawn, axis=1, keepdims=True))

    def _apply(self, names: Sequence[int]) -> int:
        from kb_platform.storage.apply import apply_capture, lock
        from kb_platform.storage.captures import record_capture
        from kb_platform.storage.releases import open_candidate

        capture = record_capture(self.database, source="made", day=dt.date(2026, 1, 1) + dt.timedelta(self.version), file="",
                                 digest=str(self.version).encode(), upserted=[], deleted=["x"], restamped=[], run_id="bench")
        assert capture is not None
        with self.database.transaction("writer") as c:
            lock(c, self.database)
            release = open_candidate(c, self.space.space_id, "bench", "bench")
            apply_capture(c, capture, release, self.space.space_id, "bench", rows_of(names, self.version))
        return release

    def _judge(self, release: int, digest: bytes) -> None:
        from kb_platform.storage.gates import GateResult, record_gate

        for gate in GATES:
            record_gate(self.database, release, digest, GateResult(gate, True, "pass", 1.0, 1.0, {}), f"bench {self.version}")

    def _owner(self, statement: str, release: int, values: Any) -> Any:
        with self.database.transaction("owner") as c:
            return c.execute(statement.encode(), (release,) if values else ()).fetchall()[0][0]

    def _timed(self, spent: dict[str, float], name: str, call: Callable[[], Any]) -> Any:
        before = self._seconds()
        result = call()
        spent[name] = round(self._seconds() - before, 3)
        return result

    def _seconds(self) -> float:
        from refresh_overhead import processor_seconds

        while True:
            with suppress(psutil.NoSuchProcess):  # a backend that ended meanwhile, which the bench of an older checkout does not pass over
                return processor_seconds(self.home)


def run(rows: int, shares: Sequence[float], one_by_one: bool) -> dict[str, Any]:
    """Return the seconds of the first load and of each share."""
    from refresh_overhead import own_home

    from kb_platform.cli import session

    everyone = range(rows // CHUNKS)
    with own_home() as folder:
        measured = Measured(session.store("shares").database, folder / "home")
        found: dict[str, Any] = {"rows": rows, "first": measured.release(everyone), "shares": {}}
        for share in shares:
            found["shares"][str(share)] = measured.release(everyone[:max(int(len(everyone) * share), 1)])
        if one_by_one:
            from kb_platform.storage import index_beside

            index_beside.MANY = 2 * rows
            other = Measured(session.store("rows").database, folder / "home")
            other.release(everyone)
            found["one_by_one"] = other.release(everyone[:max(int(len(everyone) * max(shares)), 1)])
            found["beside / one by one"] = round(found["shares"][str(max(shares))]["all"] / found["one_by_one"]["all"], 3)
    return found


def compare(rows: int, share: float, checkout: Path) -> dict[str, Any]:
    """Run a share three times in turn with this code and with another checkout's; return both and the ratio of the medians."""
    spent: dict[str, list[float]] = {"before": [], "now": []}
    for _ in range(3):
        for name, folder in (("before", checkout.resolve()), ("now", Path(__file__).parents[1])):
            code = "import runpy, sys; sys.path[:0] = sys.argv[1:3]; sys.argv = sys.argv[3:]; runpy.run_path(sys.argv[0], run_name='__main__')"
            arguments = [__file__, "--rows", str(rows), "--shares", str(share), str(share), "--json"]
            done = subprocess.run([sys.executable, "-c", code, str(folder / "bench"), str(folder), *arguments], capture_output=True, text=True,
                                  check=True, cwd=folder)
            spent[name].append(json.loads(done.stdout)["shares"][str(share)]["all"])
    medians = {name: statistics.median(values) for name, values in spent.items()}
    return {"rows": rows, "share": share, "seconds": spent, "now / before": round(medians["now"] / medians["before"], 3)}


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=37_000)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.01, 0.1, 1.0])
    parser.add_argument("--one-by-one", action="store_true")
    parser.add_argument("--against", type=Path)
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    if wanted.against:
        found = compare(wanted.rows, min(wanted.shares), wanted.against)
        print(json.dumps(found) if wanted.json else f"{found['share']:.0%} of {found['rows']} rows: {found['seconds']}; now / before {found['now / before']}")
        return
    found = run(wanted.rows, wanted.shares, wanted.one_by_one)
    if wanted.json:
        print(json.dumps(found))
        return
    for name, spent in {"first load": found["first"], **found["shares"], **({"one by one": found["one_by_one"]} if wanted.one_by_one else {})}.items():
        print(f"{name:>10}  " + ", ".join(f"{part} {seconds:.2f}" for part, seconds in spent.items()))
    if wanted.one_by_one:
        print(f"beside / one by one: {found['beside / one by one']}")


if __name__ == "__main__":
    main()
