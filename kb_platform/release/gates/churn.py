"""Did a delivery take away, or change, more than a source usually does?

What is over the limit is a case for a reviewer, or is accepted by whoever refreshes (`kb refresh --accept-churn`): for exactly this
content against exactly this live release. The verdict keeps who did, when and why, and every later look at the same content finds it.
"""

from dataclasses import asdict, replace
from typing import Any

from kb_platform.quality.changes import CHURN, decide_churn
from kb_platform.quality.verdict import Verdict
from kb_platform.release.gates.subject import Subject, as_result
from kb_platform.storage.gates import GateResult, gate_results
from kb_platform.storage.inspect_changes import churn


def measure(subject: Subject) -> GateResult:
    """Compare the candidate's documents with the live release's; a first release changes nothing."""
    found = churn(subject.database, subject.release.release_id, subject.live) if subject.live else []
    result = as_result(decide_churn(found, subject.kb.limits))
    accepted = None if result.passed else _accepted(subject)
    return result if accepted is None else _let_pass(result, accepted)


def _accepted(subject: Subject) -> dict[str, Any] | None:
    """Return who accepts the churn now, or has accepted it for this content before."""
    bound = {"digest": (subject.release.content_digest or b"").hex(), "against": subject.live}
    if subject.accept_churn is not None:
        return asdict(subject.accept_churn) | bound
    before = next((r for r in gate_results(subject.database, subject.release.release_id) if r.gate == CHURN), None)
    earlier = before.evidence.get("accepted") if before else None
    return earlier if earlier and bound.items() <= earlier.items() else None


def _let_pass(result: GateResult, accepted: dict[str, Any]) -> GateResult:
    said = [*result.evidence["reasons"], f"accepted by {accepted['by']}, {accepted['at']}: {accepted['reason']}"]
    evidence = result.evidence | {"verdict": Verdict.PASS, "reasons": said, "accepted": accepted}
    return replace(result, passed=True, verdict=Verdict.PASS.value, evidence=evidence)
