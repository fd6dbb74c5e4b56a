"""Is the same text in many documents: boilerplate that crowds out answers?"""

from kb_platform.quality.changes import decide_duplicates
from kb_platform.release.gates.subject import Subject, as_result
from kb_platform.storage.gates import GateResult
from kb_platform.storage.inspect_changes import repetition


def measure(subject: Subject) -> GateResult:
    """Measure repeated text in the candidate and in the live release."""
    found = repetition(subject.database, subject.release.release_id)
    live = repetition(subject.database, subject.live) if subject.live else None
    return as_result(decide_duplicates(found, live, subject.kb.limits))
