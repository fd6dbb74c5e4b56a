"""Decisions on their way back: written by the review worker's own function, applied once, whatever is killed, down or doubled."""

import asyncio
import datetime as dt
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
import sqlalchemy as sa

from kb_contracts.cases import ReviewCase
from kb_contracts.decisions import ReviewDecision, Reviewer
from kb_contracts.outcomes import STATUS_OF, Outcome, Phase, ReviewState, Status
from kb_contracts.workflow_ids import workflow_id
from kb_platform.knowledge.errors import StateError, TransientError
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.review_cases import CaseKind
from kb_platform.knowledge.review_cases import ReviewCase as FoundCase
from kb_platform.knowledge.reviews import ReviewEnd, decide_effect
from kb_platform.resources.reviews import review_database_url
from kb_platform.review.decisions import accepted_candidate, apply_decisions
from kb_platform.review.messages import to_message
from kb_platform.review.reading import Reading
from kb_platform.storage.database import Database
from kb_platform.storage.migrate import migrate
from kb_platform.storage.releases import discard
from kb_platform.storage.review_cases import list_cases, raise_cases
from kb_platform.storage.review_ledger import cases_to_start, mark_started, register_review, unfinished_reviews
from kb_platform.storage.review_outcomes import outcomes
from kb_platform.storage.stores import Store
from kb_platform_tests.storage.made_releases import MadeReleases
from kb_review_worker.storage.database import Database as ReviewDatabase
from kb_review_worker.storage.decisions import PostgresDecisions

MANY, KILLED_AT = 80, 20


def handed_over(kb: KnowledgeBase, store: Store) -> list[ReviewCase]:
    """Register all open cases, and return their messages."""
    messages = []
    for case in cases_to_start(store.database, 1000):
        message = to_message(Reading(store, kb, [case]), case)
        assert register_review(store.database, workflow_id(message), case)
        mark_started(store.database, workflow_id(message))
        messages.append(message)
    return messages


def record(messages: list[ReviewCase], status: Status = Status.APPROVED) -> None:
    """Write down how reviews ended, as the worker does."""
    verdict = next((v for v, s in STATUS_OF.items() if s == status), None)
    person = Reviewer(id="dr.reviewer", issuer="https://id.example.org", roles=("kb-reviewer",))

    def outcome(message: ReviewCase) -> Outcome:
        decision = ReviewDecision(event_id="e", verdict=verdict, reviewer=person, digest=message.digest, reason="seen") if verdict else None
        return Outcome(workflow_id=workflow_id(message), run_id="run", case=message, status=status, ended_at=dt.datetime.now(dt.UTC),
                       state=ReviewState(phase=Phase.CLOSING, decision=decision))

    async def write() -> None:
        async with ReviewDatabase(review_database_url()) as database:
            for message in messages:
                await PostgresDecisions(database).record(outcome(message))

    asyncio.run(write())


def test_decisions_are_applied_once_although_their_reader_is_killed_and_two_read_at_once(
    kb: KnowledgeBase, store: Store, releases: MadeReleases
) -> None:
    releases.apply({}, failed={f"{n}.pdf": f"broken {n}" for n in range(MANY)})
    record(handed_over(kb, store), Status.REJECTED)
    script = f"""
import itertools, os, signal
from kb_platform.resources import open_store
from kb_platform.resources.reviews import review_database_url
from kb_platform.review import decisions

def apply_and_die(*arguments, applied=itertools.count(1), apply=decisions.apply_end):
    apply(*arguments)
    if next(applied) == {KILLED_AT}:
        os.kill(os.getpid(), signal.SIGKILL)

decisions.apply_end = apply_and_die
decisions.apply_decisions(open_store({kb.name!r}).database, review_database_url())
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGKILL
    left = len(unfinished_reviews(store.database))
    assert left == MANY - KILLED_AT, "it was killed on the way"
    with ThreadPoolExecutor(2) as pool:
        applied = [end for ends in pool.map(lambda _: apply_decisions(store.database, review_database_url()).applied, range(2)) for end in ends]
    assert Counter(end.effect for end in applied) == {"document_dropped": left}
    cases = list_cases(store.database, ("decided",))
    assert len(cases) == MANY
    assert Counter(o.case_id for o in outcomes(store.database, [c.case_id for c in cases])) == dict.fromkeys((c.case_id for c in cases), 1)


def test_an_end_that_cannot_be_applied_keeps_back_no_other(kb: KnowledgeBase, store: Store, releases: MadeReleases) -> None:
    releases.apply({}, failed={f"{n}.pdf": f"broken {n}" for n in range(4)})
    messages = handed_over(kb, store)
    record(messages)
    with psycopg.connect(review_database_url()) as superuser:
        superuser.execute("alter table review.decision disable trigger no_change")  # which keeps a decision as it was written
        superuser.execute("update review.decision set digest = %s where review_id = %s", (b"\0" * 32, workflow_id(messages[0])))
        superuser.execute("alter table review.decision enable always trigger no_change")
    done = apply_decisions(store.database, review_database_url())
    assert sorted(end.review_id for end in done.applied) == sorted(workflow_id(message) for message in messages[1:])
    assert "about other content" in done.trouble
    assert workflow_id(messages[0]) in done.trouble
    assert unfinished_reviews(store.database) == [workflow_id(messages[0])]


def test_an_ending_that_this_release_does_not_know_is_named() -> None:
    now = dt.datetime.now(dt.UTC)
    ended = ReviewEnd("review/x", "run", b"", "postponed", None, None, None, "", None, now)
    with pytest.raises(StateError, match="'postponed'"):
        decide_effect(CaseKind.STALE_GOLDEN, ended, current=True)


def test_a_case_that_nobody_decided_stays_on_the_list(kb: KnowledgeBase, store: Store, releases: MadeReleases) -> None:
    releases.apply({}, failed={"a.pdf": "broken"})
    record(handed_over(kb, store), Status.EXPIRED_UNREVIEWED)
    assert [end.effect for end in apply_decisions(store.database, review_database_url()).applied] == ["asked_again_later"]
    assert [c.state for c in list_cases(store.database, ("open", "expired", "decided"))] == ["expired"]
    assert not cases_to_start(store.database, 10)
    assert accepted_candidate(store.database) is None


def test_a_database_of_reviews_that_is_down_or_empty_loses_nothing(kb: KnowledgeBase, store: Store, releases: MadeReleases) -> None:
    releases.apply({}, failed={"a.pdf": "broken"})
    record(handed_over(kb, store))
    url = sa.make_url(review_database_url())
    with pytest.raises(TransientError, match="the database of the reviews does not answer"):
        apply_decisions(store.database, url.set(port=1).render_as_string(hide_password=False))
    assert apply_decisions(store.database, url.set(database="dagster").render_as_string(hide_password=False)).applied == ()
    assert [end.effect for end in apply_decisions(store.database, review_database_url()).applied] == ["document_kept"]


def test_decisions_of_a_base_that_was_dropped_are_not_those_of_its_successor(kb: KnowledgeBase, store: Store, releases: MadeReleases) -> None:
    from kb_platform.storage.migrate import drop

    releases.apply({}, failed={"a.pdf": "broken"})
    record(handed_over(kb, store))
    drop(store.database)
    store.database.dispose()  # connections of roles that are gone
    migrate(store.database)
    discarded = releases.apply({}, failed={"a.pdf": "broken"})
    (message,) = handed_over(kb, store)
    assert message.case_id == 1
    assert apply_decisions(store.database, review_database_url()).applied == ()
    discard(store.database, discarded)


def test_open_cases_of_an_older_schema_are_handed_over_after_the_upgrade(kb: KnowledgeBase) -> None:
    database = Database(review_database_url(), f"{kb.name}old")
    migrate(database, "0005")
    with database.transaction("writer") as c:
        c.execute("insert into review_case (kind, subject, digest) values ('stale_golden', 'g', '\\x01'), ('stale_golden', 'h', '\\x02')")
        c.execute("update review_case set told_state = state where subject = 'g'")
    migrate(database)
    assert [c.subject for c in cases_to_start(database, 10)] == ["g", "h"]
    with database.transaction("gate") as c:
        raise_cases(c, [FoundCase(CaseKind.STALE_GOLDEN, "g", b"\3")], None)
    assert [c.subject for c in cases_to_start(database, 10)] == ["h", "g"]
    database.dispose()
    with pytest.raises(psycopg.errors.InsufficientPrivilege), database.transaction("writer") as c:
        c.execute("insert into acceptance (review_id) values ('x')")
    database.dispose()
