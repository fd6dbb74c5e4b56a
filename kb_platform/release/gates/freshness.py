"""Has a source fallen silent?"""

from kb_platform.quality.service import decide_freshness
from kb_platform.release.gates.subject import Subject, as_result
from kb_platform.storage.captures import last_captured_day
from kb_platform.storage.gates import GateResult


def measure(subject: Subject) -> GateResult:
    """Look at the day of each source's newest delivery."""
    newest = {source.name: last_captured_day(subject.database, source.name) for source in subject.kb.sources}
    return as_result(decide_freshness(newest, subject.kb.today(), subject.kb.limits.max_age_days))
