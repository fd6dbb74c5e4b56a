"""Gates that need no golden set: is every document there, does the index find what is in it, are the vectors sane?

They can never be waived: an index that fails them is broken, not merely worse. Each takes measured values and returns a verdict;
what is measured, and on which sample, is the caller's.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from kb_platform.quality.decision import Decision
from kb_platform.quality.named_ids import named_ids
from kb_platform.storage.inspect_coverage import Coverage

COVERAGE, INDEX_RECALL, EMBEDDING_HEALTH = "coverage", "index_recall", "embedding_health"
NORM_TOLERANCE = 1e-2
COVERED_SHARE = 0.9
"""Chunks cover every character that is not blank; blank ones between them are few."""
AGREEMENT = 0.999
"""Least cosine of a stored vector with the same text's vector computed again. Measured on 240 texts: half precision and bf16 against
f32 give 0.99993 at worst, the prompt "query: " where there should be none 0.9985 at best."""
_NAMED = 5


def decide_coverage(found: Coverage, *, max_failed_share: float = 0.1) -> Decision:
    """Return whether a release holds every delivered document in full, and not too many failed to parse.

    Args:
        found: what is there and what is not; documents that could not be parsed are not among `found.documents`.
        max_failed_share: accepted share of failed ones among all that are delivered.

    Returns:
        A verdict whose metric is the share of delivered documents that have a chunk.
    """
    delivered = found.documents + found.failed + len(found.missing)
    lost = (
        (found.without_chunks, f"of {found.documents} live documents have no chunk"),
        (found.missing, f"of {delivered} delivered documents are not in the release"),
        (found.left_over, "documents are in the release although their source deleted them"),
    )
    reasons = [] if found.documents else ["the release holds no document"]
    reasons += [f"{len(names)} {sentence}: {named_ids(sorted(names), _NAMED)}" for names, sentence in lost if names]
    if found.failed > max_failed_share * delivered:
        reasons.append(f"{found.failed} of {delivered} documents could not be parsed, more than {max_failed_share:.0%}")
    share = (found.documents - len(found.without_chunks)) / delivered if delivered else 0.0
    return Decision.of(COVERAGE, share, 1 - max_failed_share, [*reasons, *_torn(found)])


def _torn(found: Coverage) -> Iterator[str]:
    """Yield where chunks and the layout of their documents do not agree."""
    if found.without_chunk:
        yield f"{found.without_chunk} of {found.passages} passages have no chunk"
    if found.cut:
        yield f"{found.cut} of {found.passages} chunks are longer or shorter than their place in the document"
    if found.stray:
        yield f"{found.stray} chunks belong to no document of the release"
    if found.covered_share < COVERED_SHARE:
        yield f"only {found.covered_share:.0%} of the documents' characters stand in chunks, less than {COVERED_SHARE:.0%}"


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


def decide_index_recall(recalls: Sequence[float], *, target: float = 0.95) -> Decision:
    """Return whether the vector index finds what exact search finds; `recalls` are recall@10 of sampled queries."""
    mean = float(np.mean(recalls)) if len(recalls) else 0.0
    reasons: list[str] = []
    if not len(recalls):
        reasons.append("no query was sampled: recall is unknown")
    elif mean < target:
        reasons.append(f"recall@10 of the index against exact search is {mean:.3f} over {len(recalls)} queries, below {target:g}")
    return Decision.of(INDEX_RECALL, mean, target, reasons)


def decide_embedding_health(vectors: np.ndarray, dimension: int, cosines: np.ndarray | None = None) -> Decision:
    """Return whether vectors are sound, and what the model computes.

    Sound is finite, of length 1 within 1e-2 (half precision), of the right dimension, and not all the same.

    Args:
        vectors: stored vectors of distinct texts, shape (n, dimension).
        dimension: of the embedding space.
        cosines: of some stored vectors with what the model computes from their texts now; None where that was not measured.

    Returns:
        A verdict whose metric is the share of sound vectors; the threshold is 1.
    """
    if not len(vectors):
        return Decision.of(EMBEDDING_HEALTH, 0.0, 1.0, ["no vector was sampled"])
    if vectors.ndim != 2 or vectors.shape[1] != dimension:
        reason = f"vectors have the shape {vectors.shape}, expected dimension {dimension}"
        return Decision.of(EMBEDDING_HEALTH, 0.0, 1.0, [reason])
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
    if cosines is not None and (cosines < AGREEMENT).any():
        other = int((cosines < AGREEMENT).sum())
        reasons.append(f"{other} of {len(cosines)} vectors are not what the model computes from their text, the worst has cosine {cosines.min():.3f}")
    return Decision.of(EMBEDDING_HEALTH, float(unit.mean()), 1.0, reasons)


def directions(vectors: np.ndarray) -> np.ndarray:
    """Return vectors scaled to length 1, for spaces that do not; one of length 0 becomes not finite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
