"""Releases made through the storage functions alone: deliveries of short texts, one chunk a document, made-up vectors."""

import datetime as dt
import hashlib
import itertools
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.retention import Retention
from kb_platform.knowledge.spaces import EmbeddingSpace
from kb_platform.storage.apply import apply_capture, lock
from kb_platform.storage.captures import KnownDocument, record_capture
from kb_platform.storage.database import Database
from kb_platform.storage.gates import GateResult, record_gate
from kb_platform.storage.releases import discard, live_release, open_candidate, promote, seal
from kb_platform.storage.search import Question, search, term_statistics
from kb_platform.storage.vectors import register_space, store_vectors
from kb_platform_tests.waiting import wait_until

SPACE = EmbeddingSpace(model="made", model_sha256="0" * 64, dimension=384, max_tokens=256, pooling="mean", query_prefix="",
                       passage_prefix="", chunker="made")
INTEGRITY = ("coverage", "index_recall", "embedding_health")
PIPELINE = "made"
RUNS = itertools.count(1)


def sha(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def vector(text: str) -> np.ndarray:
    drawn = np.random.default_rng(int.from_bytes(sha(text)[:4], "big")).normal(size=(1, SPACE.dimension))
    return (drawn / np.linalg.norm(drawn)).astype(np.float32)


@dataclass(frozen=True)
class MadeReleases:
    """One knowledge base, and the steps of a refresh."""

    database: Database

    def apply(self, texts: Mapping[str, str | None], failed: Mapping[str, str] | None = None) -> int:
        """Deliver texts by document id (None deletes) into the candidate; return its release id."""
        failed = failed or {}
        register_space(self.database, SPACE)
        for text in texts.values():
            if text:
                store_vectors(self.database, SPACE.space_id, [sha(text)], vector(text))
        came = [KnownDocument(name, sha(text), "") for name, text in {**texts, **failed}.items() if text]
        gone = [name for name, text in texts.items() if text is None]
        capture = record_capture(self.database, source="docs", day=dt.date(2026, 1, 1), file="none", digest=sha(repr((texts, failed))),
                                 upserted=came, deleted=gone, restamped=(), run_id="test")
        assert capture is not None
        rows = [_row(name, text) for name, text in texts.items()] + [_failure(name) for name in failed]
        with self.database.transaction("writer") as c:
            lock(c, self.database)
            release = open_candidate(c, SPACE.space_id, PIPELINE, "test")
            apply_capture(c, capture, release, SPACE.space_id, PIPELINE, rows)
        return release

    def judge(self, release: int, gates: Mapping[str, str] | None = None) -> bytes:
        """Seal a release and give verdicts by gate; integrity gates pass. Return the digest."""
        verdicts, run = dict.fromkeys(INTEGRITY, "pass") | dict(gates or {}), f"run {next(RUNS)}"
        digest = seal(self.database, release, tuple(verdicts))
        for gate, verdict in verdicts.items():
            record_gate(self.database, release, digest, GateResult(gate, verdict == "pass", verdict, 1.0, 1.0, {}), run)
        return digest

    def release(self, texts: Mapping[str, str | None]) -> int:
        """Deliver, seal, pass and promote."""
        release = self.apply(texts)
        self.judge(release)
        promote(self.database, release)
        return release


def _row(name: str, text: str | None) -> dict[str, object]:
    if text is None:
        return {"doc_id": name, "deleted": True, "failure": None, "title": "", "metadata": "{}", "media_type": "", "source_object": "",
                "version_hash": b"", "chunks": None}
    chunk = {"ordinal": 0, "start": 0, "end": len(text), "content": text, "context": "", "content_hash": sha(f"content {text}"), "dup_no": 0,
             "text_hash": sha(text), "terms": [1, 2, 10 + sha(text)[0] % 20], "weights": [0.5, 0.25, 1.0]}
    return {"doc_id": name, "deleted": False, "failure": None, "title": name, "metadata": "{}", "media_type": "text/plain",
            "source_object": name, "version_hash": sha(f"version {text}"), "chunks": [chunk]}


def _failure(name: str) -> dict[str, object]:
    return _row(name, None) | {"deleted": False, "failure": "not a document"}


LATER = dt.datetime.now(dt.UTC) + dt.timedelta(days=40)
"""When vectors of today are old enough to go."""


def keeping(name: str, releases: int, **retention: Any) -> KnowledgeBase:
    """Return a knowledge base of this name that keeps so many releases."""
    return KnowledgeBase(name, Path("/nowhere"), (), dt.date(2026, 1, 1), retention=Retention(keep_releases=releases, **retention))


def random_history(made: MadeReleases, seed: int, releases: int, documents: int = 30) -> None:
    """Release random changes and deletions; some releases are discarded, and some rolled back from, on the way."""
    drawn = random.Random(seed)
    texts: dict[str, str | None] = {f"d{n}": f"{seed} first {n}" for n in range(documents)}
    made.release(texts)
    for number in range(2, releases + 1):
        changed = drawn.sample(sorted(texts), documents // 5)
        delivered = {name: None if drawn.random() < 0.2 else f"{seed} {number} {name}" for name in changed}
        if drawn.random() < 0.2:
            discard(made.database, made.apply(dict.fromkeys(changed, f"{seed} {number} in vain")))
        before = live_release(made.database)
        made.release(delivered)
        if drawn.random() < 0.2:
            assert before is not None
            promote(made.database, before)


def shown(database: Database, release: int) -> tuple[Any, ...]:
    """Return all that a release shows: the digest and every row of it, its words' frequencies, and what searches find."""
    with database.transaction("owner") as c:
        digest = c.execute("select text_digest(%s)", (release,)).fetchall()
        rows = c.execute("select id, doc_id, content, embedding::text from chunk where valid_from <= %(r)s and valid_to > %(r)s order by id",
                         {"r": release}).fetchall()
        documents = c.execute("""select d.id, d.doc_id, p.ordinal, p.content_hash from document_version d left join passage p on p.version_id = d.id
                                 where valid_from <= %(r)s and valid_to > %(r)s order by 1, 3""", {"r": release}).fetchall()
    words = term_statistics(database, release, list(range(31)), "gate")
    found = [[(hit.doc_id, hit.content, hit.score) for hit in search(database, release, question(name), k=5, depth=50, where=None, role="gate")]
             for name in ("one", "two", "three")]
    return digest, rows, documents, words, found


def question(text: str) -> Question:
    return Question(SPACE.space_id, vector(text)[0], {1: 0.2, 10 + sha(text)[0] % 20: 0.8}, [1, 10 + sha(text)[0] % 20], 0.5)


def wait_until_blocked(database: Database) -> None:
    def blocked() -> bool:
        with database.transaction("owner") as c:
            return c.execute("select 1 from pg_locks where not granted").fetchone() is not None

    wait_until(blocked, "somebody waits for a lock", every=0.01)
