"""Is every document there, and every chunk of it, in full?"""

from kb_platform.quality.integrity import decide_coverage
from kb_platform.release.gates.subject import Subject, as_result
from kb_platform.storage.gates import GateResult
from kb_platform.storage.inspect_coverage import coverage


def measure(subject: Subject) -> GateResult:
    """Compare deliveries, documents, passages and chunks over the whole release."""
    found = coverage(subject.database, subject.release.release_id)
    return as_result(decide_coverage(found, max_failed_share=subject.kb.limits.max_failed_share))
