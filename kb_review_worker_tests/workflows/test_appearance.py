"""What Temporal's pages show of a review."""

from kb_contracts.outcomes import Escalation, Phase, ReviewState, TaskRef
from kb_review_worker.workflows.appearance import details
from kb_review_worker_tests.made_cases import OPENED, PHRASE, case, decision, reviewer


def test_the_details_tell_the_state_and_nothing_of_the_content() -> None:
    about = case(case_id=17)
    state = ReviewState(
        phase=Phase.WAITING, task=TaskRef(system="inbox", id="4"), due_at=OPENED, escalations=(Escalation(level=1, at=OPENED),),
        assignee=reviewer("dr.first"), problems=("brief: LlmBudget",), decision=decision(about, reason=PHRASE),
    )
    assert details(about, state, "waiting").splitlines() == [
        "**waiting**: quarantined document of handbook, case 17", f"- digest `{about.digest}`", "- task 4 in inbox",
        "- due 2026-11-25 08:15 UTC, escalation level 1", "- with dr.first", "- decided by dr.reviewer: approve", "- problem: brief: LlmBudget",
    ]
