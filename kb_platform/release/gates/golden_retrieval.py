"""Does the candidate answer the golden queries, and as well as the live release does?"""

from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.review_cases import CaseKind
from kb_platform.quality.golden import load_golden_set
from kb_platform.quality.verdict import Verdict
from kb_platform.release.gates import GOLDEN_GATE
from kb_platform.release.gates.subject import Subject
from kb_platform.release.golden_comparison import ask_both
from kb_platform.storage.database import Database
from kb_platform.storage.gates import GateResult
from kb_platform.storage.review_cases import withdraw_others


def lacking(kb: KnowledgeBase) -> str:
    """Say that there are no goldens."""
    return f"no golden query is in {kb.folder / 'golden'}" if load_golden_set(kb.folder / "golden") is None else ""


def settle(database: Database, kb: KnowledgeBase) -> None:
    """Withdraw the cases about stale goldens that are not in the files any more."""
    goldens = load_golden_set(kb.folder / "golden")
    withdraw_others(database, CaseKind.STALE_GOLDEN, [golden.id for golden in goldens.goldens] if goldens else [])


def measure(subject: Subject) -> GateResult | None:
    """Compare candidate and live release; where there is no golden, None, unless the candidate must be judged by some."""
    goldens = load_golden_set(subject.kb.folder / "golden")
    if goldens is None:
        return _without_goldens(subject.kb) if GOLDEN_GATE in subject.release.required_gates else None
    asked = ask_both(subject.store, subject.kb, goldens, subject.release.release_id, subject.live, subject.load_embedder, subject.progress)
    return asked.judged(subject.kb)


def _without_goldens(kb: KnowledgeBase) -> GateResult:
    reason = (f"no golden query is in {kb.folder / 'golden'}, expected some: the live release was judged by them, or gate.required_gates "
              "names this gate; put the files back, or say gate.allow_no_goldens: true in defs.yaml if they went on purpose")
    return GateResult(GOLDEN_GATE, False, Verdict.INCONCLUSIVE.value, None, None, {"reasons": [reason]})
