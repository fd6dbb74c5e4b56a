"""The gates that need no goldens."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kb_platform.quality.integrity import decide_coverage, decide_embedding_health, decide_index_recall, distance_recall
from kb_platform.storage.inspect_coverage import Coverage

WHOLE = Coverage(documents=0, without_chunks=(), missing=(), left_over=(), failed=0, passages=0, without_chunk=0, cut=0, stray=0, covered_share=1.0)


def held(documents: int, **other: Any) -> Coverage:
    """Return what a release of so many documents holds, sound but for what is named."""
    return replace(WHOLE, documents=documents, passages=3 * documents, **other)


def unit_vectors(count: int, dimension: int = 8) -> np.ndarray:
    """Return random vectors of length 1."""
    vectors = np.random.default_rng(1).normal(size=(count, dimension))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_a_release_that_holds_every_document_is_covered() -> None:
    verdict = decide_coverage(held(100))
    assert (verdict.name, verdict.passed, verdict.metric, verdict.reasons) == ("coverage", True, 1.0, ())
    assert verdict.verdict == "pass"


def test_one_live_document_without_a_chunk_fails_and_is_named() -> None:
    verdict = decide_coverage(held(100, without_chunks=tuple(f"doc{n}" for n in range(7))))
    assert not verdict.passed
    assert verdict.reasons == ("7 of 100 live documents have no chunk: doc0, doc1, doc2, doc3, doc4 and 2 more",)
    assert verdict.verdict == "regression"


@pytest.mark.parametrize(("failed", "passed"), [(0, True), (10, True), (11, False)])
def test_parse_failures_are_accepted_up_to_the_limit(failed: int, passed: bool) -> None:
    verdict = decide_coverage(held(100 - failed, failed=failed))
    assert (verdict.passed, verdict.metric) == (passed, (100 - failed) / 100)
    assert passed or verdict.reasons == ("11 of 100 documents could not be parsed, more than 10%",)


def test_the_limit_of_failures_can_be_set() -> None:
    assert decide_coverage(held(50, failed=50), max_failed_share=0.5).passed


@pytest.mark.parametrize(("what", "reason"), [
    ({"missing": ("s/a", "s/b")}, "2 of 12 delivered documents are not in the release: s/a, s/b"),
    ({"left_over": ("s/a",)}, "1 documents are in the release although their source deleted them: s/a"),
    ({"without_chunk": 2}, "2 of 30 passages have no chunk"),
    ({"cut": 3}, "3 of 30 chunks are longer or shorter than their place in the document"),
    ({"stray": 4}, "4 chunks belong to no document of the release"),
    ({"covered_share": 0.5}, "only 50% of the documents' characters stand in chunks, less than 90%"),
])
def test_anything_that_is_not_held_in_full_is_a_regression(what: dict[str, Any], reason: str) -> None:
    verdict = decide_coverage(held(10, **what))
    assert (verdict.verdict, verdict.reasons) == ("regression", (reason,))


def test_a_release_without_documents_is_not_covered() -> None:
    verdict = decide_coverage(held(0))
    assert (verdict.passed, verdict.reasons) == (False, ("the release holds no document",))


@pytest.mark.parametrize(
    ("found", "exact", "recall"),
    [
        ([0.1, 0.2, 0.3], [0.1, 0.2, 0.3], 1.0),
        ([0.1, 0.3, 0.4], [0.1, 0.2, 0.3], 2 / 3),
        ([0.1, 0.3, 0.3], [0.1, 0.3, 0.3], 1.0),  # which of several equally near chunks is returned does not matter
        ([0.1], [0.1, 0.2], 0.5),
        ([], [0.1, 0.2], 0.0),
        ([], [], 1.0),
        ([0.1, 0.2, 0.3, 0.3], [0.1, 0.3], 1.0),
    ],
)
def test_recall_counts_what_is_near_enough(found: list[float], exact: list[float], recall: float) -> None:
    assert distance_recall(found, exact) == pytest.approx(recall)


@pytest.mark.parametrize(("recalls", "passed"), [([1.0, 0.9], True), ([1.0, 0.8], False), ([], False)])
def test_the_index_must_find_what_exact_search_finds(recalls: list[float], passed: bool) -> None:
    verdict = decide_index_recall(recalls)
    assert (verdict.passed, verdict.threshold, bool(verdict.reasons)) == (passed, 0.95, not passed)


def test_a_missed_recall_is_said_with_its_figures() -> None:
    assert decide_index_recall([0.5, 0.7], target=0.9).reasons == (
        "recall@10 of the index against exact search is 0.600 over 2 queries, below 0.9",
    )


def test_sound_vectors_pass_even_in_half_precision() -> None:
    verdict = decide_embedding_health(unit_vectors(50).astype(np.float16), 8)
    assert (verdict.passed, verdict.metric) == (True, 1.0)


def test_a_single_vector_is_not_a_sample_of_equal_ones() -> None:
    assert decide_embedding_health(unit_vectors(1), 8).passed


@pytest.mark.parametrize(
    ("vectors", "reason"),
    [
        (unit_vectors(4) * np.array([[1], [1], [1], [1.02]]), "1 of 4 vectors are not of length 1, the worst is 1.020"),
        (unit_vectors(4) * np.array([[1], [1], [1], [0]]), "1 of 4 vectors are not of length 1, the worst is 0.000"),
        (np.vstack([unit_vectors(3), np.full((1, 8), np.nan)]), "1 of 4 vectors hold a value that is not finite"),
        (np.vstack([unit_vectors(3), np.full((1, 8), np.inf)]), "1 of 4 vectors hold a value that is not finite"),
        (np.repeat(unit_vectors(1), 4, axis=0), "all 4 vectors are the same"),
        (unit_vectors(4, 7), "vectors have the shape (4, 7), expected dimension 8"),
        (np.ones(8), "vectors have the shape (8,), expected dimension 8"),
        (np.zeros((0, 8)), "no vector was sampled"),
    ],
)
def test_unsound_vectors_are_refused_with_the_reason(vectors: np.ndarray, reason: str) -> None:
    verdict = decide_embedding_health(vectors, 8)
    assert not verdict.passed
    assert verdict.reasons == (reason,)
    json.dumps(verdict.to_dict(), allow_nan=False)


@pytest.mark.parametrize(("cosines", "passed"), [([0.9999, 1.0], True), ([0.9999, 0.9984], False), ([], True)])
def test_vectors_that_the_model_would_not_compute_are_not_sound(cosines: list[float], passed: bool) -> None:
    verdict = decide_embedding_health(unit_vectors(4), 8, np.array(cosines, np.float32))
    assert verdict.passed is passed
    assert passed or verdict.reasons == ("1 of 2 vectors are not what the model computes from their text, the worst has cosine 0.998",)
