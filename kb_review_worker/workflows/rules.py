"""Which requests are refused, and why. Pure: each rule returns, or raises an ApplicationError whose type is a `Refusal`.

A validator calls them before anything enters history, so a refused request leaves no trace there; the gateway audits it.
"""

from temporalio.exceptions import ApplicationError

from kb_contracts.cases import ReviewCase
from kb_contracts.decisions import Claim, Note, ReviewDecision, Reviewer, Verdict, Withdrawal
from kb_contracts.names import Refusal
from kb_contracts.outcomes import Phase, ReviewState

MOST_REQUESTS = 500  # Temporal takes 2,000 updates a workflow by default; a decision must always fit


def check_decision(case: ReviewCase, state: ReviewState, decision: ReviewDecision) -> None:
    """Refuse a decision by the wrong person, about another version, without its reason, or out of turn."""
    check_reviewer(case, decision.reviewer)
    if state.decision is not None:
        raise _decided(state.decision, decision)
    check_waiting(state)
    if decision.digest != case.digest:
        raise _refused(Refusal.STALE_SUBJECT, "the decision is about another version: look at the case again", case.digest)
    if decision.verdict != Verdict.APPROVE and not decision.reason.strip():
        raise _refused(Refusal.REASON_MISSING, f"{decision.verdict} needs a reason")


def check_claim(case: ReviewCase, state: ReviewState, claim: Claim) -> None:
    """Refuse a claim by the wrong person, or of a case that another has claimed."""
    check_reviewer(case, claim.reviewer)
    check_waiting(state)
    _check_room(state)
    held = state.assignee
    if held is not None and not _same_person(held, claim.reviewer):
        raise _refused(Refusal.ALREADY_CLAIMED, f"{held.id} has claimed it: reassign it first", held.id)


def check_reassignment(case: ReviewCase, state: ReviewState, by: Reviewer, to: Reviewer | None) -> None:
    """Refuse a reassignment by, or to, the wrong person. `to` is named by a colleague, so its roles are not proof of anything."""
    check_reviewer(case, by)
    check_waiting(state)
    _check_room(state)
    if to is not None:
        _check_not_author(case, to)


def check_note(case: ReviewCase, state: ReviewState, note: Note) -> None:
    """Refuse a note by somebody who may not review, and a flood. An author may explain, and so may add notes."""
    _check_role(case, note.reviewer)
    check_running(state)
    _check_room(state)


def check_withdrawal(state: ReviewState, _withdrawal: Withdrawal) -> None:
    """Refuse to withdraw what has been decided."""
    if state.decision is not None:
        raise _refused(Refusal.ALREADY_DECIDED, f"decided: {state.decision.verdict}", state.decision.verdict.value)
    check_running(state)


def check_event(event_id: str, update_id: str) -> None:
    """Refuse a request whose update has another id: a second delivery would not be recognised."""
    if event_id != update_id:
        raise _refused(Refusal.EVENT_ID_MISMATCH, "the update's id is not the event's id: send both alike")


def check_running(state: ReviewState) -> None:
    """Refuse whatever comes after the end."""
    if state.withdrawal is not None:
        raise _refused(Refusal.REVIEW_CLOSED, "withdrawn", state.withdrawal.superseded_by or "")
    if state.decision is not None or state.phase in {Phase.CLOSING, Phase.CLOSED}:
        raise _refused(Refusal.REVIEW_CLOSED, f"the review is {state.phase}")


def check_waiting(state: ReviewState) -> None:
    """Refuse what needs a task that people can see."""
    check_running(state)
    if state.phase == Phase.OPENING:
        raise _refused(Refusal.NOT_READY, "the review has no task yet: send the same event again later")


def check_reviewer(case: ReviewCase, reviewer: Reviewer) -> None:
    """Refuse a person without any of the roles, and (four eyes) an author of what is reviewed."""
    _check_role(case, reviewer)
    _check_not_author(case, reviewer)


def _check_room(state: ReviewState) -> None:
    if state.requests >= MOST_REQUESTS:
        raise _refused(Refusal.TOO_MANY_REQUESTS, f"{MOST_REQUESTS} claims, reassignments and notes: only a decision or a withdrawal is left")


def _check_role(case: ReviewCase, reviewer: Reviewer) -> None:
    if not set(reviewer.roles) & set(case.reviewer_roles):
        raise _refused(Refusal.REVIEWER_NOT_ALLOWED, f"{reviewer.id} has none of the roles {', '.join(case.reviewer_roles)}")


def _check_not_author(case: ReviewCase, reviewer: Reviewer) -> None:
    if reviewer.id.casefold() in {author.casefold() for author in case.authors}:  # whoever vouches: the stricter reading
        raise _refused(Refusal.AUTHOR_MAY_NOT_REVIEW, f"{reviewer.id} is an author of this: another person must decide")


def _decided(first: ReviewDecision, second: ReviewDecision) -> ApplicationError:
    refusal = Refusal.DUPLICATE_DECISION if _gist(first) == _gist(second) else Refusal.ALREADY_DECIDED
    return _refused(refusal, f"already decided by {first.reviewer.id}: {first.verdict}", first.reviewer.id, first.verdict.value)


def _same_person(one: Reviewer, other: Reviewer) -> bool:
    return (one.id, one.issuer) == (other.id, other.issuer)


def _refused(refusal: Refusal, message: str, *details: str) -> ApplicationError:
    return ApplicationError(message, *details, type=refusal.value, non_retryable=True)


def _gist(decision: ReviewDecision) -> tuple[str, ...]:
    return decision.verdict.value, decision.digest, decision.reviewer.id, decision.reviewer.issuer
