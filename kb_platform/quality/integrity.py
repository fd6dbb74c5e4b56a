"""Gates that need no golden set: is every document there, does the index find what is in it, are the vectors sane?

They can never be waived: an index that fails them is broken, not merely worse. Each takes measured values and returns a verdict;
what is measured, and on which sample, is the caller's.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

COVERAGE, INDEX_RECALL, EMBEDDING_HEALTH = "coverage", "index_recall", "embedding_health"
NORM_TOLERANCE = 1e-2
_NAMED = 5


@dataclass(frozen=True)
class IntegrityVerdict:
    """One gate's verdict. `reasons` say what failed, in sentences; empty when it passed."""

    name: str
    passed: bool
    metric: float
    threshold: float
    reasons: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """Return `pass` or `regression`, the words of the golden gate."""
        return "pass" if self.passed else "regression"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready evidence."""
        return asdict(self) | {"verdict": self.verdict}


def decide_coverage(
    documents: int, without_chunks: Collection[str], failed: int, *, max_failed_share: float = 0.1
) -> IntegrityVerdict:
    """Return whether every live document can be found and not too many failed to parse.

    Args:
        documents: live documents of the release.
        without_chunks: ids of live documents that have no chunk.
        failed: documents that the sources deliver but that could not be parsed; they are not among `documents`.
        max_failed_share: accepted share of failed ones among all that are delivered.

    Returns:
        A verdict whose metric is the share of delivered documents that have a chunk.
    """
    delivered, covered = documents + failed, documents - len(without_chunks)
    reasons: list[str] = []
    if not documents:
        reasons.append("the release holds no document")
    if without_chunks:
        reasons.append(f"{len(without_chunks)} of {documents} live documents have no chunk: {_named(without_chunks)}")
    if failed > max_failed_share * delivered:
        reasons.append(f"{failed} of {delivered} documents could not be parsed, more than {max_failed_share:.0%}")
    share = covered / delivered if delivered else 0.0
    return IntegrityVerdict(COVERAGE, not reasons, share, 1 - max_failed_share, tuple(reasons))


def distance_recall(found: Sequence[float], exact: Sequence[float], *, tolerance: float = 1e-6) -> float:
    """Return the share of the exact result that an approximate search found, by distance.

    Counting ids would punish an index for returning another of several equally near chunks (repeated boilerplate), so an item
    counts when it is no farther than the farthest exact one: Aumueller, Bernhardsson, Faithfull, ANN-Benchmarks (2020).

    Args:
        found: distances of the approximate result, nearest first.
        exact: distances of the exact result, nearest first; 1.0 is returned where it is empty.
        tolerance: by which equal distances may differ.
    """
    if not len(exact):
        return 1.0
    return sum(distance <= exact[-1] + tolerance for distance in found[: len(exact)]) / len(exact)


def decide_index_recall(recalls: Sequence[float], *, target: float = 0.95) -> IntegrityVerdict:
    """Return whether the vector index finds what exact search finds; `recalls` are recall@10 of sampled queries."""
    mean = float(np.mean(recalls)) if len(recalls) else 0.0
    reasons: list[str] = []
    if not len(recalls):
        reasons.append("no query was sampled: recall is unknown")
    elif mean < target:
        reasons.append(f"recall@10 of the index against exact search is {mean:.3f} over {len(recalls)} queries, below {target:g}")
    return IntegrityVerdict(INDEX_RECALL, not reasons, mean, target, tuple(reasons))


def decide_embedding_health(vectors: np.ndarray, dimension: int) -> IntegrityVerdict:
    """Return whether vectors are finite, of length 1 within 1e-2 (half precision), of the right dimension and not all the same.

    Args:
        vectors: stored vectors of distinct texts, shape (n, dimension).
        dimension: of the embedding space.

    Returns:
        A verdict whose metric is the share of sound vectors; the threshold is 1.
    """
    if not len(vectors):
        return IntegrityVerdict(EMBEDDING_HEALTH, False, 0.0, 1.0, ("no vector was sampled",))
    if vectors.ndim != 2 or vectors.shape[1] != dimension:
        reason = f"vectors have the shape {vectors.shape}, expected dimension {dimension}"
        return IntegrityVerdict(EMBEDDING_HEALTH, False, 0.0, 1.0, (reason,))
    values = vectors.astype(np.float64)
    finite = np.asarray(np.isfinite(values).all(axis=1))
    norms = np.linalg.norm(np.where(finite[:, None], values, 0.0), axis=1)
    unit = finite & (np.abs(norms - 1) <= NORM_TOLERANCE)
    reasons: list[str] = []
    if not finite.all():
        reasons.append(f"{int((~finite).sum())} of {len(values)} vectors hold a value that is not finite")
    if (finite & ~unit).any():
        worst = norms[finite][np.abs(norms[finite] - 1).argmax()]
        reasons.append(f"{int((finite & ~unit).sum())} of {len(values)} vectors are not of length 1, the worst is {worst:.3f}")
    if len(values) > 1 and (values == values[0]).all():
        reasons.append(f"all {len(values)} vectors are the same")
    return IntegrityVerdict(EMBEDDING_HEALTH, not reasons, float(unit.mean()), 1.0, tuple(reasons))


def _named(ids: Collection[str]) -> str:
    first = sorted(ids)[:_NAMED]
    more = len(ids) - len(first)
    return ", ".join(first) + (f" and {more} more" if more else "")
