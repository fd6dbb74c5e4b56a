"""Who may ask what of a review: each refusal is typed and changes nothing; of many decisions one is accepted."""

import asyncio
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.service import RPCError

from kb_contracts.decisions import Claim, Note, Reassignment, Receipt, Verdict, Withdrawal
from kb_contracts.names import UpdateName
from kb_contracts.outcomes import Outcome, Status
from kb_review_worker_tests.made_cases import case, decision, event, reviewer
from kb_review_worker_tests.reviewing import Reviews

pytestmark = pytest.mark.anyio


async def test_each_refusal_has_its_type_and_changes_nothing(reviews: Reviews) -> None:
    about = case()
    handle = await reviews.waiting(about)
    before = await reviews.state(handle)
    author, stranger = reviewer("Dr.Author"), reviewer("nurse", "nurse")
    refused: list[tuple[str, Any]] = [
        ("ReviewerNotAllowed", decision(about, reviewer=stranger)),
        ("AuthorMayNotReview", decision(about, reviewer=author)),
        ("StaleSubject", decision(about, digest="0" * 64)),
        ("ReasonMissing", decision(about, Verdict.REJECT, reason="  ")),
        ("ReasonMissing", decision(about, Verdict.REQUEST_CHANGES, reason="")),
        ("ReviewerNotAllowed", Claim(event_id=event(), reviewer=stranger)),
        ("AuthorMayNotReview", Claim(event_id=event(), reviewer=author)),
        ("ReviewerNotAllowed", Reassignment(event_id=event(), reviewer=stranger, to=reviewer())),
        ("AuthorMayNotReview", Reassignment(event_id=event(), reviewer=reviewer(), to=author)),
        ("ReviewerNotAllowed", Note(event_id=event(), reviewer=stranger, text="mine")),
    ]
    assert [await reviews.refusal(handle, request) for _, request in refused] == [name for name, _ in refused]
    assert await reviews.state(handle) == before

    await reviews.send(handle, decision(about))
    await handle.result()


async def test_an_update_must_carry_the_events_own_id(reviews: Reviews) -> None:
    about = case()
    handle = await reviews.waiting(about)
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await handle.execute_update(UpdateName.DECIDE, decision(about), id="another", result_type=Receipt)
    assert getattr(caught.value.cause, "type", None) == "EventIdMismatch"
    await reviews.send(handle, decision(about))
    await handle.result()


async def test_a_verdict_that_no_release_knows_is_refused(reviews: Reviews) -> None:
    about = case()
    handle = await reviews.waiting(about)
    sent = decision(about).model_dump(mode="json") | {"verdict": "maybe"}
    with pytest.raises(WorkflowUpdateFailedError):
        await handle.execute_update(UpdateName.DECIDE, sent, id=sent["event_id"])
    assert (await reviews.state(handle)).decision is None
    await reviews.send(handle, decision(about))
    await handle.result()


async def test_of_twenty_reviewers_at_once_one_gets_a_receipt(reviews: Reviews) -> None:
    about = case()
    handle = await reviews.waiting(about)
    asked = [decision(about, reviewer=reviewer(f"dr.{n}")) for n in range(20)]
    answers = await asyncio.gather(*(reviews.send(handle, each) for each in asked), return_exceptions=True)
    receipts = [answer for answer in answers if isinstance(answer, Receipt)]
    outcome: Outcome = await handle.result()

    assert len(receipts) == 1
    assert outcome.state.decision and outcome.state.decision.event_id == receipts[0].event_id
    assert [_told(answer) for answer in answers if not isinstance(answer, Receipt)] == ["refused"] * 19
    assert (await reviews.ended(handle))[1] == receipts[0].event_id


def _told(answer: Any) -> str:
    """Return "refused" for each of the three ways in which a loser hears of it: the workflow's word, or the end of the workflow."""
    if isinstance(answer, WorkflowUpdateFailedError):
        return "refused" if getattr(answer.cause, "type", "") == "AlreadyDecided" else repr(answer.cause)
    ended = isinstance(answer, RPCError) and ("completed" in str(answer) or "closing" in str(answer) or "not found" in str(answer))
    return "refused" if ended else repr(answer)


async def test_the_same_event_gets_the_same_receipt_also_after_the_end(reviews: Reviews) -> None:
    about = case()
    handle = await reviews.waiting(about)
    asked = decision(about)
    receipts = await asyncio.gather(*(reviews.send(handle, asked) for _ in range(10)))
    await handle.result()
    receipts.append(await reviews.send(handle, asked))
    assert len(set(receipts)) == 1
    history = await handle.fetch_history()
    accepted = [e for e in history.events if e.HasField("workflow_execution_update_accepted_event_attributes")]
    assert len(accepted) == 1


async def test_a_claim_shows_who_is_at_it_and_keeps_nobody_else_from_deciding(reviews: Reviews) -> None:
    about = case()
    handle = await reviews.waiting(about)
    first, second = reviewer("dr.first"), reviewer("dr.second")
    await reviews.send(handle, Claim(event_id=event(), reviewer=first))
    await reviews.send(handle, Claim(event_id=event(), reviewer=first))
    assert await reviews.refusal(handle, Claim(event_id=event(), reviewer=second)) == "AlreadyClaimed"
    await _shown_with(reviews, handle, "dr.first")
    await reviews.send(handle, Reassignment(event_id=event(), reviewer=second, to=second))
    await _shown_with(reviews, handle, "dr.second")
    await reviews.send(handle, Reassignment(event_id=event(), reviewer=second))
    await _shown_with(reviews, handle, None)
    await reviews.send(handle, decision(about, reviewer=first))
    assert (await handle.result()).state.assignee is None


async def _shown_with(reviews: Reviews, handle: Any, who: str | None) -> None:
    while (await reviews.shown(handle))[2] != who:
        await asyncio.sleep(0.01)


async def test_notes_are_kept_with_the_outcome(reviews: Reviews) -> None:
    about = case()
    handle = await reviews.waiting(about)
    notes = [Note(event_id=event(), reviewer=reviewer("dr.author"), text="the scan is upside down"),
             Note(event_id=event(), reviewer=reviewer(), text="asked for a new one")]
    for note in notes:
        await reviews.send(handle, note)
    await reviews.send(handle, decision(about))
    assert (await handle.result()).state.notes == tuple(notes)


async def test_a_newer_version_withdraws_the_review(reviews: Reviews) -> None:
    about = case()
    handle = await reviews.waiting(about)
    newer = "review/quarantined_document/handbook/9/20261126T081500.000000Z/00"
    withdrawal = Withdrawal(event_id=event(), reason="a newer version came", superseded_by=newer)
    receipt = await reviews.send(handle, withdrawal)
    outcome: Outcome = await handle.result()
    assert (outcome.status, outcome.state.withdrawal) == (Status.WITHDRAWN, withdrawal)
    assert (await reviews.ended(handle))[0::3] == ("withdrawn", "a newer version came")
    assert (await reviews.shown(handle))[0] == "withdrawn"
    assert await reviews.send(handle, withdrawal) == receipt
