"""Hands cases to Temporal: starts a review for every open case, withdraws those that nobody needs any more.

Written before it is done, and marked after: ledger row, start, mark. A hand-off that is killed anywhere, or runs twice at once,
leaves one review a case, since the same opening has the same id. A hand-off is bounded in time; what it does not get to is the next one's.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from kb_contracts.cases import ReviewCase
from kb_contracts.workflow_ids import workflow_id
from kb_platform.knowledge.errors import ConfigError, PermanentError, StateError, TransientError
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.review.messages import to_message
from kb_platform.review.reading import Reading
from kb_platform.review.service import Address, ReviewService, unreachable
from kb_platform.storage.database import Database
from kb_platform.storage.review_cases import StoredCase
from kb_platform.storage.review_ledger import (
    OutdatedReview,
    cases_to_start,
    mark_started,
    mark_tried,
    mark_withdrawn,
    register_review,
    reviews_to_withdraw,
)
from kb_platform.storage.stores import Store

AT_ONCE = 32
MOST = 200  # cases of one hand-off
SECONDS = 30.0


@dataclass(frozen=True)
class HandOff:
    """What a hand-off did; `waiting` withdrawals were not taken in yet, for no worker runs. `trouble` says what went wrong first."""

    started: int = 0
    withdrawn: int = 0
    waiting: int = 0
    trouble: str = ""


def hand_off(store: Store, kb: KnowledgeBase, address: Address, *, seconds: float = SECONDS) -> HandOff:
    """Start and withdraw what is due, within some seconds. A Temporal that is down is no error: it is what `trouble` says.

    Raises:
        ConfigError: Temporal answers, and refuses this platform.
    """
    starting = cases_to_start(store.database, MOST)
    if not starting and not reviews_to_withdraw(store.database, 1):
        return HandOff()
    done: list[HandOff] = []
    try:
        asyncio.run(_within(seconds, address, _hand_off(Reading(store, kb, starting), address, done)))
    except TransientError as error:
        done.insert(0, HandOff(trouble=str(error)))
    return _sum(done)


def _sum(parts: Sequence[HandOff]) -> HandOff:
    return HandOff(sum(p.started for p in parts), sum(p.withdrawn for p in parts), sum(p.waiting for p in parts),
                   next((p.trouble for p in parts if p.trouble), ""))


async def _within(seconds: float, address: Address, work: Awaitable[None]) -> None:
    try:
        async with asyncio.timeout(seconds):
            await work
    except TimeoutError:
        raise unreachable(address, f"not done in {seconds:g} s") from None


async def _hand_off(reading: Reading, address: Address, done: list[HandOff]) -> None:
    service, turn, database = await ReviewService.connect(address), asyncio.Lock(), reading.store.database
    await _all([partial(_start, service, database, case, partial(_message, turn, reading, case)) for case in reading.cases], done)
    outdated = reviews_to_withdraw(database, MOST)  # after the starts: each can then be told of the review that follows it
    await _all([partial(_withdraw, service, database, review) for review in outdated], done)


async def _all(steps: Sequence[Callable[[], Awaitable[HandOff]]], done: list[HandOff]) -> None:
    """Take the steps, some at a time. What stops all of them is raised when the others that had begun are through."""
    slots, failures = asyncio.Semaphore(AT_ONCE), []

    async def take(step: Callable[[], Awaitable[HandOff]]) -> None:
        async with slots:
            if not failures:
                try:
                    done.append(await step())
                except (TransientError, ConfigError) as error:
                    failures.append(error)

    await asyncio.gather(*(take(step) for step in steps))
    if failures:
        raise failures[0]


async def _message(turn: asyncio.Lock, reading: Reading, case: StoredCase) -> ReviewCase:
    """Return a case's message, one at a time and in a thread: it may read all documents, and the others' time must not stand still."""
    async with turn:
        mark_tried(reading.store.database, case.case_id)
        return await asyncio.to_thread(to_message, reading, case)


async def _start(service: ReviewService, database: Database, case: StoredCase, read: Callable[[], Awaitable[ReviewCase]]) -> HandOff:
    kept_back = f"case {case.case_id} is not handed over"  # and keeps back no other
    try:
        message = await read()
    except (PermanentError, ValueError) as error:
        return HandOff(trouble=f"{kept_back}: {error}")
    review = workflow_id(message)
    if not register_review(database, review, case):
        return HandOff()
    try:
        await service.start(message, review)
    except StateError as error:
        return HandOff(trouble=f"{kept_back}: {error}")
    mark_started(database, review)
    return HandOff(started=1)


async def _withdraw(service: ReviewService, database: Database, review: OutdatedReview) -> HandOff:
    try:
        if not await service.withdraw(review.review_id, f"the case is {review.state}", review.newer):
            return HandOff(waiting=1)
    except StateError as error:
        return HandOff(trouble=f"review {review.review_id} is not withdrawn: {error}")
    mark_withdrawn(database, review.review_id)
    return HandOff(withdrawn=1)
