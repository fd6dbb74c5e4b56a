"""Does search answer quickly? Measured as a reader meets it: question embedded, both legs searched, results combined."""

import time

from kb_platform.index.fusion import FusionParameters
from kb_platform.index.retrieve import Retriever
from kb_platform.quality.service import decide_latency
from kb_platform.release.gates.subject import Subject, as_result
from kb_platform.storage.gates import GateResult
from kb_platform.storage.inspect_release import sample_texts

SEARCHES = 20
WARM_UP = 3
WORDS = 12


def measure(subject: Subject) -> GateResult:
    """Search with the first words of some chunks, after a few searches that warm the caches."""
    texts, _ = sample_texts(subject.database, subject.release.release_id, SEARCHES)
    retriever = Retriever(subject.database, subject.load_embedder, FusionParameters.from_settings(subject.kb.search), role="gate")
    questions = [" ".join(text.split()[:WORDS]) for text in texts]
    for question in questions[:WARM_UP]:
        retriever.search(question, subject.release.release_id)
    return as_result(decide_latency([_timed(retriever, q, subject.release.release_id) for q in questions], subject.kb.limits.max_latency_ms))


def _timed(retriever: Retriever, question: str, release_id: int) -> float:
    began = time.perf_counter()
    retriever.search(question, release_id)
    return 1000 * (time.perf_counter() - began)
