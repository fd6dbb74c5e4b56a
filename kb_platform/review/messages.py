"""A row of the outbox as the message that a review begins with."""

from kb_contracts.cases import ReviewCase
from kb_platform.knowledge.review_cases import CaseKind
from kb_platform.knowledge.reviews import CHOICES
from kb_platform.review.material import case_material
from kb_platform.review.reading import Reading
from kb_platform.storage.review_cases import StoredCase


def to_message(reading: Reading, case: StoredCase) -> ReviewCase:
    """Return a case as it is handed over, with all that its reviewer has to see: the review needs no access to the knowledge base."""
    shown, kb = case_material(reading, case), reading.kb
    facts = {**case.facts, "release": case.release_id, "choices": CHOICES[CaseKind(case.kind)]}
    return ReviewCase(
        knowledge_base=kb.name, case_id=case.case_id, kind=case.kind, digest=case.digest.hex(), opened_at=case.changed_at,
        subject=case.subject[:4000], facts=facts | ({"asked_by": case.asked_by} if case.asked_by else {}),
        material=shown.text, previous=shown.previous, reasons=shown.reasons, sources=shown.sources,
        authors=(case.asked_by,) if case.asked_by else (), reviewer_roles=kb.review.roles, want_brief=kb.review.brief,
        escalate_after=kb.review.escalate_after, expire_after=kb.review.expire_after,
    )
