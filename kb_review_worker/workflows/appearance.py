"""What Temporal's pages and lists show of a review. Ids and numbers only: search attributes are never encrypted."""

from temporalio import workflow
from temporalio.common import SearchAttributeKey

from kb_contracts.cases import ReviewCase
from kb_contracts.names import SearchAttribute
from kb_contracts.outcomes import ReviewState, Status

CASE_KIND = SearchAttributeKey.for_keyword(SearchAttribute.CASE_KIND)
KNOWLEDGE_BASE = SearchAttributeKey.for_keyword(SearchAttribute.KNOWLEDGE_BASE)
ASSIGNEE = SearchAttributeKey.for_keyword(SearchAttribute.ASSIGNEE)
REVIEW_STATUS = SearchAttributeKey.for_keyword(SearchAttribute.REVIEW_STATUS)
ESCALATION_LEVEL = SearchAttributeKey.for_int(SearchAttribute.ESCALATION_LEVEL)
DUE_AT = SearchAttributeKey.for_datetime(SearchAttribute.DUE_AT)


def show(case: ReviewCase, state: ReviewState, status: Status | None) -> None:
    """Let Temporal show the state; `status` is the end's, while there is none the phase is shown."""
    shown = (status or state.phase).value
    updates = [CASE_KIND.value_set(case.kind), KNOWLEDGE_BASE.value_set(case.knowledge_base), REVIEW_STATUS.value_set(shown),
               ESCALATION_LEVEL.value_set(state.level)]
    updates.append(ASSIGNEE.value_set(state.assignee.id) if state.assignee else ASSIGNEE.value_unset())
    if state.due_at:
        updates.append(DUE_AT.value_set(state.due_at))
    workflow.upsert_search_attributes(updates)
    workflow.set_current_details(details(case, state, shown))


def details(case: ReviewCase, state: ReviewState, shown: str) -> str:
    """Return the state in Markdown."""
    lines = [f"**{shown}**: {case.kind.replace('_', ' ')} of {case.knowledge_base}, case {case.case_id}", f"- digest `{case.digest}`"]
    if state.task:
        lines.append(f"- task {state.task.id} in {state.task.system}")
    if state.due_at:
        lines.append(f"- due {state.due_at:%Y-%m-%d %H:%M} UTC, escalation level {state.level}")
    if state.assignee:
        lines.append(f"- with {state.assignee.id}")
    if state.decision:
        lines.append(f"- decided by {state.decision.reviewer.id}: {state.decision.verdict.value}")
    lines += [f"- problem: {problem}" for problem in state.problems]
    return "\n".join(lines)
