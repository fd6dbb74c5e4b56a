"""The rules alone, where a running review cannot be caught in the state."""

from collections.abc import Callable

import pytest
from temporalio.exceptions import ApplicationError

from kb_contracts.decisions import Claim, Note, Withdrawal
from kb_contracts.outcomes import Phase, ReviewState
from kb_review_worker.workflows import rules
from kb_review_worker_tests.made_cases import case, decision, event, reviewer

ABOUT = case()
OPENING, WAITING, CLOSING = (ReviewState(phase=phase) for phase in (Phase.OPENING, Phase.WAITING, Phase.CLOSING))
FIRST = decision(ABOUT, reviewer=reviewer("dr.first"))
DECIDED = WAITING.model_copy(update={"decision": FIRST})
WITHDRAWN = WAITING.model_copy(update={"withdrawal": Withdrawal(event_id=event(), superseded_by="review/9")})
CLAIM = Claim(event_id=event(), reviewer=reviewer())
NOTE = Note(event_id=event(), reviewer=reviewer(), text="a word")
FULL = WAITING.model_copy(update={"requests": rules.MOST_REQUESTS})


def refused(check: Callable[..., None], *arguments: object) -> ApplicationError:
    with pytest.raises(ApplicationError) as caught:
        check(*arguments)
    assert caught.value.non_retryable
    return caught.value


def test_nobody_decides_or_claims_what_has_no_task_yet() -> None:
    assert refused(rules.check_decision, ABOUT, OPENING, decision(ABOUT)).type == "NotReady"
    assert refused(rules.check_claim, ABOUT, OPENING, CLAIM).type == "NotReady"
    assert refused(rules.check_reassignment, ABOUT, OPENING, reviewer(), None).type == "NotReady"


def test_a_second_decision_hears_of_the_first() -> None:
    error = refused(rules.check_decision, ABOUT, DECIDED, decision(ABOUT))
    assert (error.type, tuple(error.details)) == ("AlreadyDecided", ("dr.first", "approve"))
    again = FIRST.model_copy(update={"event_id": event()})
    assert refused(rules.check_decision, ABOUT, DECIDED, again).type == "DuplicateDecision"
    assert refused(rules.check_withdrawal, DECIDED, WITHDRAWN.withdrawal).type == "AlreadyDecided"


@pytest.mark.parametrize("state", [WITHDRAWN, CLOSING])
def test_what_has_ended_takes_nothing_more(state: ReviewState) -> None:
    assert refused(rules.check_decision, ABOUT, state, decision(ABOUT)).type == "ReviewClosed"
    assert refused(rules.check_claim, ABOUT, state, CLAIM).type == "ReviewClosed"
    assert refused(rules.check_note, ABOUT, state, NOTE).type == "ReviewClosed"
    assert refused(rules.check_withdrawal, state, WITHDRAWN.withdrawal).type == "ReviewClosed"


def test_requests_have_an_end_so_that_a_decision_always_fits() -> None:
    assert refused(rules.check_note, ABOUT, FULL, NOTE).type == "TooManyRequests"
    assert refused(rules.check_claim, ABOUT, FULL, CLAIM).type == "TooManyRequests"
    assert refused(rules.check_reassignment, ABOUT, FULL, reviewer(), None).type == "TooManyRequests"
    rules.check_decision(ABOUT, FULL, decision(ABOUT))


def test_withdrawing_needs_no_task() -> None:
    assert WITHDRAWN.withdrawal
    rules.check_withdrawal(OPENING, WITHDRAWN.withdrawal)
