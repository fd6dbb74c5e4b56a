"""Cases on their way to a real Temporal: each once, whatever is down, slow, restarted, killed or doubled on the way."""

import asyncio
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import Client

from kb_contracts.cases import ReviewCase
from kb_contracts.decisions import Verdict
from kb_contracts.workflow_ids import workflow_id
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.resources.reviews import review_database_url
from kb_platform.review.decisions import accepted_candidate, apply_decisions
from kb_platform.review.hand_off import HandOff, hand_off
from kb_platform.review.messages import to_message
from kb_platform.review.reading import Reading
from kb_platform.review.service import ReviewService
from kb_platform.storage.review_cases import list_cases
from kb_platform.storage.review_ledger import backlog, cases_to_start, register_review, unfinished_reviews
from kb_platform.storage.stores import Store
from kb_platform_tests.review.conftest import TemporalServer
from kb_platform_tests.review.reviewing import ask, decide, running, with_worker
from kb_platform_tests.storage.made_releases import MadeReleases, sha

PHRASE = "XYLOPHONE-7731"
MANY, KILLED_AT = 40, 10



def broken(releases: MadeReleases, count: int = 1, text: str = "broken") -> None:
    releases.apply({}, failed={f"{PHRASE}-{n}.pdf": f"{text} {n}" for n in range(count)})


def test_every_open_case_becomes_one_review_with_all_that_its_reviewer_must_see(
    kb: KnowledgeBase, store: Store, releases: MadeReleases, temporal: TemporalServer
) -> None:
    releases.release({f"{PHRASE}-0.pdf": "What stood there before."})
    broken(releases, 3)
    assert hand_off(store, kb, temporal.address) == HandOff(started=3)
    first = running(temporal.address, kb.name, 3)
    assert len(first) == 3
    assert hand_off(store, kb, temporal.address) == HandOff()
    assert running(temporal.address, kb.name, 3) == first
    assert sorted(first) == sorted(unfinished_reviews(store.database))

    async def input_of(client: Client) -> tuple[ReviewCase, bytes]:
        history = await client.get_workflow_handle(next(i for i in sorted(first))).fetch_history()
        (payload,) = history.events[0].workflow_execution_started_event_attributes.input.payloads
        raw = payload.data
        (decoded,) = await client.data_converter.decode([payload], [ReviewCase])
        return decoded, raw

    case, raw = ask(temporal.address, input_of)
    assert workflow_id(case) in first
    assert PHRASE.encode() not in raw
    assert not [name for name in first if PHRASE in name]
    assert (case.kind, case.reviewer_roles, case.subject) == ("quarantined_document", ("kb-reviewer",), f"docs/{PHRASE}-0.pdf")
    assert case.facts["choices"]["reject"].startswith("drop the document")
    assert case.digest in case.material
    assert "What stood there before." in case.material
    assert any("not a document" in reason for reason in case.reasons)


def test_a_temporal_that_is_down_keeps_every_case_and_is_named(kb: KnowledgeBase, store: Store, releases: MadeReleases, temporal: TemporalServer) -> None:
    broken(releases, 2)
    temporal.stop()
    try:
        for _ in range(2):
            done = hand_off(store, kb, temporal.address)
            assert done.started == 0
            assert f"Temporal at {temporal.address.frontend} does not answer" in done.trouble
        assert backlog(store.database).untold == 2
    finally:
        temporal.start()
    assert hand_off(store, kb, temporal.address) == HandOff(started=2)
    temporal.stop()
    temporal.start()
    assert len(running(temporal.address, kb.name, 2)) == 2, "the server kept them"
    assert hand_off(store, kb, temporal.address) == HandOff()


def test_a_temporal_that_never_answers_holds_no_tick(kb: KnowledgeBase, store: Store, releases: MadeReleases, temporal: TemporalServer) -> None:
    broken(releases)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        address = replace(temporal.address, frontend=f"127.0.0.1:{deaf.getsockname()[1]}")
        done = hand_off(store, kb, address, seconds=1)
    assert "not done in 1 s" in done.trouble
    assert hand_off(store, kb, temporal.address).started == 1


def test_cases_that_take_longer_to_read_than_a_tick_has_are_started_tick_by_tick(
    kb: KnowledgeBase, store: Store, releases: MadeReleases, temporal: TemporalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(releases, 4)

    def slowly(*case: Any) -> ReviewCase:
        time.sleep(0.8)
        return to_message(*case)

    monkeypatch.setattr("kb_platform.review.hand_off.to_message", slowly)
    ticks = [hand_off(store, kb, temporal.address, seconds=2)]
    assert "not done in 2 s" in ticks[0].trouble
    while sum(done.started for done in ticks) < 4:
        ticks.append(hand_off(store, kb, temporal.address, seconds=2 + len(ticks)))  # a slow machine needs longer for each
    assert sum(done.started for done in ticks) == 4
    assert hand_off(store, kb, temporal.address) == HandOff()
    assert len(running(temporal.address, kb.name, 4)) == 4


def test_two_hand_offs_at_once_start_one_review_a_case(kb: KnowledgeBase, store: Store, releases: MadeReleases, temporal: TemporalServer) -> None:
    broken(releases, 10)
    with ThreadPoolExecutor(2) as pool:
        assert not [d.trouble for d in pool.map(lambda _: hand_off(store, kb, temporal.address), range(2)) if d.trouble]
    assert len(running(temporal.address, kb.name, 10)) == 10
    assert backlog(store.database).untold == 0


@pytest.mark.parametrize("killed", ["before the start", "before the mark"])
def test_a_hand_off_that_was_killed_between_two_steps_is_taken_up(
    kb: KnowledgeBase, store: Store, releases: MadeReleases, temporal: TemporalServer, killed: str
) -> None:
    broken(releases)
    (case,) = cases_to_start(store.database, 10)
    message = to_message(Reading(store, kb, [case]), case)
    review = workflow_id(message)
    assert register_review(store.database, review, case)
    before = {}
    if killed == "before the mark":

        async def start() -> None:
            await (await ReviewService.connect(temporal.address)).start(message, review)

        asyncio.run(start())
        before = running(temporal.address, kb.name, 1)
    assert hand_off(store, kb, temporal.address) == HandOff(started=1)
    after = running(temporal.address, kb.name, 1)
    assert list(after) == [review]
    assert before in ({}, after), "the review that was there is the one that goes on"


def test_a_hand_off_killed_anywhere_leaves_one_review_a_case(kb: KnowledgeBase, store: Store, releases: MadeReleases, temporal: TemporalServer) -> None:
    broken(releases, MANY)
    script = f"""
import datetime as dt, itertools, os, pathlib, signal
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.resources import open_store
from kb_platform.review import hand_off as module
from kb_platform.review.service import Address

def mark_and_die(*arguments, marked=itertools.count(1), mark=module.mark_started):
    mark(*arguments)
    if next(marked) == {KILLED_AT}:
        os.kill(os.getpid(), signal.SIGKILL)

module.mark_started = mark_and_die
kb = KnowledgeBase({kb.name!r}, pathlib.Path({str(kb.folder)!r}), (), dt.date(2026, 1, 1))
module.hand_off(open_store(kb.name), kb, Address({temporal.address.frontend!r}, "review", keys={{"k1": b"\\1" * 32}}))
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGKILL
    left = backlog(store.database).untold
    assert left == MANY - KILLED_AT, "it was killed on the way"
    assert hand_off(store, kb, temporal.address) == HandOff(started=left)
    reviews = running(temporal.address, kb.name, MANY)
    assert len(reviews) == MANY
    assert sorted(reviews) == sorted(unfinished_reviews(store.database))


def test_a_newer_version_withdraws_the_review_of_the_older_one(kb: KnowledgeBase, store: Store, releases: MadeReleases, temporal: TemporalServer) -> None:
    temporal_here = replace(temporal.address, task_queue=f"queue-{kb.name}", patience=timedelta(seconds=5))
    broken(releases)
    assert hand_off(store, kb, temporal_here).started == 1
    (older,) = running(temporal.address, kb.name, 1)
    broken(releases, text="broken in another way")
    assert hand_off(store, kb, temporal_here) == HandOff(started=1, waiting=1), "no worker has taken it in"
    (newer,) = running(temporal.address, kb.name, 2).keys() - {older}
    assert backlog(store.database).to_withdraw == 1

    async def withdrawn(client: Client) -> dict[str, object]:
        assert await asyncio.to_thread(hand_off, store, kb, replace(temporal_here, patience=timedelta(seconds=100)), seconds=300) == HandOff(withdrawn=1)
        return await client.get_workflow_handle(older).result()

    outcome = with_worker(temporal_here, review_database_url(), withdrawn)
    assert outcome["status"] == "withdrawn"
    assert outcome["state"]["withdrawal"]["superseded_by"] == newer
    assert [(end.review_id, end.effect) for end in apply_decisions(store.database, review_database_url()).applied] == [(older, "none")]
    assert unfinished_reviews(store.database) == [newer]
    assert [c.state for c in list_cases(store.database, ("open",))] == ["open"]
    assert hand_off(store, kb, temporal_here) == HandOff()


def test_a_decision_comes_back_and_has_its_effect_once(kb: KnowledgeBase, store: Store, releases: MadeReleases, temporal: TemporalServer) -> None:
    temporal_here = replace(temporal.address, task_queue=f"queue-{kb.name}")
    broken(releases)
    assert hand_off(store, kb, temporal_here).started == 1
    (review,) = running(temporal.address, kb.name, 1)
    assert apply_decisions(store.database, review_database_url()).applied == ()
    outcome = with_worker(temporal_here, review_database_url(),
                          lambda client: decide(client, review, sha("broken 0"), Verdict.REJECT))
    assert outcome["status"] == "rejected"
    (applied,) = apply_decisions(store.database, review_database_url()).applied
    assert (applied.review_id, applied.effect) == (review, "document_dropped")
    assert apply_decisions(store.database, review_database_url()).applied == ()
    assert accepted_candidate(store.database) is None
    broken(releases)  # the same bytes again
    assert not list_cases(store.database, ("open",))
