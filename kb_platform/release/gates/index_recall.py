"""Does the vector index find what exact search finds?"""

from kb_platform.quality.integrity import decide_index_recall, distance_recall
from kb_platform.release.gates.subject import Subject, as_result
from kb_platform.storage.gates import GateResult
from kb_platform.storage.inspect_release import neighbour_distances, sample_vectors

SAMPLE = 64


def measure(subject: Subject) -> GateResult:
    """Search with stored vectors, once by the index and once exactly."""
    vectors = sample_vectors(subject.database, subject.release.release_id, SAMPLE)
    pairs = neighbour_distances(subject.database, subject.release.release_id, vectors, 10)
    recalls = [distance_recall(near, exact, tolerance=1e-4) for near, exact in pairs]
    return as_result(decide_index_recall(recalls, target=subject.kb.limits.index_recall))
