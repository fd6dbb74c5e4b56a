"""A home for what drawing libraries write, and made-up releases with real verdicts."""

import datetime as dt
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from kb_platform.quality.found_chunks import FoundChunk
from kb_platform.quality.gate import decide_gate
from kb_platform.quality.query_scores import QueryScores
from kb_platform.quality.result_lists import with_result_lists
from kb_platform.quality.slice_scores import slice_scores
from kb_platform.storage.gates import GateResult
from kb_platform.storage.releases import Release
from kb_platform.storage.reports import PastRelease
from kb_platform_tests.quality.builders import golden_set, scores

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
DIGEST = bytes(range(32))


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield the home of this folder's tests."""
    before, folder = dict(os.environ), tmp_path_factory.mktemp("home")
    os.environ["KB_HOME"] = str(folder)
    yield folder
    os.environ.clear()
    os.environ.update(before)


def sealed(release_id: int = 2, **changes: Any) -> Release:
    """Return a sealed release that builds on the one before it."""
    values = {
        "release_id": release_id, "base_release": release_id - 1, "status": "sealed", "space_id": "space", "pipeline": "pipe",
        "content_digest": DIGEST, "required_gates": ["coverage", "golden_retrieval"], "gates_passed": 2, "promotable": True,
        "verdict": "pass", "chunk_count": 40, "document_count": 7, "run_id": "run", "created_at": NOON, "sealed_at": NOON, "promoted_at": None,
    }
    return Release(**(values | changes))


def golden_result(count: int = 60, *, missed: tuple[int, ...] = (0, 1), words: str = "Answer", live: bool = True) -> GateResult:
    """Return what the golden gate says of a candidate that misses some goldens, and a live release that misses others."""
    goldens = golden_set(count, critical=5, slices={"dose": range(count // 2)})
    ours, theirs = scores(count, missed=missed, ranks={7: 4}), scores(count, missed=(3,)) if live else None
    found = {g.id: (FoundChunk("wiki", "doc", 0, 40, 0.5, words),) for g in goldens.goldens}
    verdict = decide_gate(ours, theirs, goldens)
    evidence = with_result_lists(verdict.to_dict(), found, found) | {
        "release": 2, "compared_with": 1 if live else None, "seconds": 1.5,
        "slice_scores": [asdict(s) for s in slice_scores(goldens.goldens, ours, theirs)], "query_scores": asdict(QueryScores.of(ours, theirs)),
    }
    return GateResult("golden_retrieval", verdict.passed, verdict.verdict.value, verdict.metric, verdict.threshold, evidence, "hash-1")


def coverage_result() -> GateResult:
    """Return what an integrity gate says."""
    return GateResult("coverage", True, "pass", 1.0, 0.9, {"reasons": [], "seconds": 0.25})


def past(release: int, golden_hash: str | None = "hash-1", **changes: Any) -> PastRelease:
    """Return a promoted release of the history."""
    values = {
        "release": release, "live": False, "status": "retired", "verdict": "pass", "digest": f"{release:02}" * 16, "space": "space",
        "golden_hash": golden_hash, "metrics": {"Success@5": 0.9 + release / 100, "nDCG@10": 0.8} if golden_hash else {},
        "changes": {"documents_new": 3, "documents_changed": 1, "documents_deleted": 0, "rows_inserted": 20, "rows_closed": 4},
        "seconds": {"golden_retrieval": 2.0}, "usage": {}, "created_at": NOON, "promoted_at": NOON, "promoted_by": "promoter",
    }
    return PastRelease(**({"accepted": "churn by dr.reviewer"} | values | changes))
