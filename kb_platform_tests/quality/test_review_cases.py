"""Which verdicts and goldens need a person."""

import pytest

from kb_platform.knowledge.review_cases import CaseKind
from kb_platform.quality.golden import ExpectedPassage, Golden, GoldenSet
from kb_platform.quality.review_cases import stale_golden_cases, verdict_case
from kb_platform.storage.gates import GateResult

DIGEST = b"\x01" * 32
KIND = CaseKind.INCONCLUSIVE_VERDICT


def result(verdict: str, golden_hash: str | None = None) -> GateResult:
    reasons = [{"code": "suspicious_loss", "message": "a sentence with a patient's question"}]
    return GateResult("golden_retrieval", verdict == "pass", verdict, 0.8, 0.9, {"reasons": reasons}, golden_hash)


@pytest.mark.parametrize("verdict", ["pass", "regression"])
def test_a_decided_verdict_needs_nobody(verdict: str) -> None:
    assert verdict_case(result(verdict), KIND, DIGEST) is None


def test_an_inconclusive_verdict_is_bound_to_content_and_goldens() -> None:
    plain, one, other = (verdict_case(result("inconclusive", golden), KIND, DIGEST) for golden in (None, "aa" * 32, "bb" * 32))
    assert plain and one and other
    assert plain.digest == DIGEST
    assert len({plain.digest, one.digest, other.digest}) == 3


def test_a_case_carries_codes_and_numbers_but_no_sentence() -> None:
    case = verdict_case(result("inconclusive"), KIND, DIGEST)
    assert case is not None
    assert case.facts["reasons"] == ["suspicious_loss"]
    assert "patient" not in repr(case)


def test_a_stale_golden_is_bound_to_its_content_and_to_what_became_of_its_passage() -> None:
    def case(question: str, state: str) -> bytes:
        golden = Golden("g", question, (ExpectedPassage("d", "a quote"),))
        (found,) = stale_golden_cases(GoldenSet.of([golden]), {"g": state})
        assert (found.kind, found.subject, found.facts["state"]) == (CaseKind.STALE_GOLDEN, "g", state)
        assert question not in repr(found) and "a quote" not in repr(found)
        return found.digest

    assert case("why?", "changed") == case("why?", "changed")
    assert len({case("why?", "changed"), case("why?", "deleted"), case("how?", "changed")}) == 3
