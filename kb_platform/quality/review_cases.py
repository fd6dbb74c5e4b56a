"""Which verdicts and goldens need a person. Pure: what is stored, and when, is storage's and the judge's."""

import hashlib
from collections.abc import Mapping

from kb_platform.knowledge.review_cases import CaseKind, ReviewCase, verdict_digest
from kb_platform.quality.golden import GoldenSet
from kb_platform.quality.verdict import Verdict
from kb_platform.storage.gates import GateResult


def verdict_case(result: GateResult, kind: CaseKind, content_digest: bytes) -> ReviewCase | None:
    """Return the case that an inconclusive verdict is, None for any other.

    Its digest is that of the judged content; where goldens took part, of content and goldens: another set is another question.
    """
    if result.verdict != Verdict.INCONCLUSIVE:
        return None
    digest = verdict_digest(content_digest, result.golden_hash)
    facts = {"gate": result.gate, "metric": result.metric, "threshold": result.threshold, "content_digest": content_digest.hex(),
             "golden_hash": result.golden_hash, "numbers": result.evidence.get("facts", {}),
             "reasons": [r["code"] for r in result.evidence.get("reasons", ()) if isinstance(r, Mapping)]}
    return ReviewCase(kind, result.gate, digest, facts)


def stale_golden_cases(goldens: GoldenSet, stale: Mapping[str, str]) -> list[ReviewCase]:
    """Return one case a stale golden, bound to the golden's content and to what became of its passages."""
    by_id = {golden.id: golden for golden in goldens.goldens}
    cases: list[ReviewCase] = []
    for name, state in sorted(stale.items()):
        golden = by_id[name]
        content = GoldenSet.of([golden]).content_hash
        facts = {"state": str(state), "golden_hash": content, "severity": golden.severity.value,
                 "documents": sorted({p.document for p in golden.expected})}
        cases.append(ReviewCase(CaseKind.STALE_GOLDEN, name, hashlib.sha256(f"{content} {state}".encode()).digest(), facts))
    return cases
