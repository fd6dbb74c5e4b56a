"""Are the stored vectors what the model computes from their texts?

Norms and dimension do not tell: vectors that were shuffled, or computed with another model or prompt, look sound. So a few texts
are embedded again. Half of them come from what this candidate added.
"""

import numpy as np

from kb_platform.quality.integrity import decide_embedding_health, directions
from kb_platform.release.gates.subject import Subject, as_result
from kb_platform.storage.gates import GateResult
from kb_platform.storage.inspect_release import sample_texts, sample_vectors
from kb_platform.storage.vectors import space_of

SAMPLE = 1000
COMPUTED = 32


def measure(subject: Subject) -> GateResult:
    """Look at a sample of stored vectors, and compute some of them again."""
    release = subject.release
    space = space_of(subject.database, release.space_id)
    stored = sample_vectors(subject.database, release.release_id, SAMPLE)
    texts, vectors = sample_texts(subject.database, release.release_id, COMPUTED)
    cosines = _cosines(subject.load_embedder(space).embed(texts), vectors) if texts else np.zeros(0, np.float32)
    return as_result(decide_embedding_health(stored if space.normalize else directions(stored), space.dimension, cosines))


def _cosines(computed: np.ndarray, stored: np.ndarray) -> np.ndarray:
    """Return [n] cosines row by row; of other dimensions than what is computed, nothing is alike."""
    return (directions(computed) * directions(stored)).sum(axis=1) if computed.shape == stored.shape else np.zeros(len(stored))
