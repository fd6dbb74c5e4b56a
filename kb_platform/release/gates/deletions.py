"""Did a delivery take away, or change, more than a source usually does?"""

from kb_platform.quality.changes import decide_deletions
from kb_platform.release.gates.subject import Subject, as_result
from kb_platform.storage.gates import GateResult
from kb_platform.storage.inspect_changes import changes, losses


def measure(subject: Subject) -> GateResult:
    """Compare the candidate's documents with the live release's; a first release loses nothing."""
    this, live = subject.release.release_id, subject.live
    lost, changed = (losses(subject.database, this, live), changes(subject.database, this, live)) if live else ([], [])
    return as_result(decide_deletions(lost, changed, subject.kb.limits))
