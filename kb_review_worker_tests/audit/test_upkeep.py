"""Histories are kept, and reviews that ended without running code are found and given their end."""

import asyncio
import datetime as dt
import gzip
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHistory
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from kb_contracts.decisions import Verdict
from kb_contracts.outcomes import Phase
from kb_contracts.workflow_ids import workflow_id
from kb_review_worker.ports import AuditEvent
from kb_review_worker.storage.audit import PostgresAudit
from kb_review_worker.storage.decisions import PostgresDecisions
from kb_review_worker.storage.histories import PostgresHistories
from kb_review_worker.storage.inbox import PostgresInbox
from kb_review_worker.upkeep import broken_off
from kb_review_worker.upkeep.broken_off import Found, Reconciler
from kb_review_worker.upkeep.histories import HistoryExport
from kb_review_worker_tests.audit.trails import AT, Trail
from kb_review_worker_tests.made_cases import PHRASE, case, decision, reviewer
from kb_review_worker_tests.reviewing import Reviews, reviewing
from kb_review_worker_tests.servers import Server, serving

pytestmark = pytest.mark.anyio
KEYS = {"k1": bytes(range(32))}
NAMESPACES = [f"trail-{number}" for number in range(8)]  # one for each test


@pytest.fixture(scope="module")
async def clients(anyio_backend: str) -> AsyncIterator[Iterator[Client]]:
    """Yield clients of one server, each of a namespace in which there is nothing."""
    async with serving("real", KEYS, NAMESPACES) as running:
        yield iter([await Client.connect(running.client.service_client.config.target_host, namespace=name, data_converter=running.client.data_converter,
                                         identity="test") for name in NAMESPACES])


@pytest.fixture
def server(clients: Iterator[Client]) -> Server:
    """Return the server with a namespace of the test's own: the reconciler looks at all reviews of its namespace."""
    return Server("real", SimpleNamespace(client=next(clients)))


@pytest.fixture
async def reviews(server: Server, trail: Trail) -> AsyncIterator[Reviews]:
    async with reviewing(server, trail.database) as running:
        yield running


@pytest.fixture
def reconciler(server: Server, trail: Trail, monkeypatch: pytest.MonkeyPatch) -> Reconciler:
    monkeypatch.setattr(broken_off, "SETTLED_AFTER", dt.timedelta(0))
    database = trail.database
    return Reconciler(server.client, PostgresHistories(database), PostgresInbox(database), PostgresDecisions(database), PostgresAudit(database))


def exporting(server: Server, trail: Trail) -> HistoryExport:
    return HistoryExport(server.client, PostgresHistories(trail.database), PostgresAudit(trail.database))


def events(trail: Trail) -> list[str]:
    return [json.loads(text)["event"] for _, text in trail.rows()]


async def listed(server: Server, status: str, count: int = 1) -> None:
    """Return when Temporal's list shows it: lists lag."""
    while (await server.client.count_workflows(f"ExecutionStatus = '{status}'")).count < count:
        await asyncio.sleep(0.05)


async def test_the_history_of_an_ended_review_is_kept_and_bound_to_the_trail(reviews: Reviews, trail: Trail) -> None:
    about, other = case(), case()
    handle, _still_waiting = await reviews.waiting(about), await reviews.waiting(other)
    await reviews.send(handle, decision(about, Verdict.REJECT))
    await handle.result()
    export = exporting(reviews.server, trail)
    assert [await export.export(), await export.export()] == [1, 0]
    await trail.sealer.seal()
    assert trail.verify().status == "intact"
    with psycopg.connect(trail.url) as connection:
        ((review, content),) = connection.execute("select review_id, content from review.history").fetchall()
    text = gzip.decompress(content).decode()
    assert WorkflowHistory.from_json(review, text).to_json_dict() == (await handle.fetch_history()).to_json_dict()
    assert PHRASE not in text
    assert events(trail) == ["task_created", "task_created", "ended", "history_exported"]

    trail.tamper("update history set content = content || 'x'")
    verdict = trail.verify()
    assert verdict.broken and (verdict.broken.number, verdict.broken.found) == (4, "the history that it speaks of was changed")
    trail.tamper("delete from history")
    verdict = trail.verify()
    assert verdict.broken and (verdict.broken.number, verdict.broken.found) == (4, "the history that it speaks of is missing")


async def test_a_terminated_review_is_recorded_as_cancelled_and_its_task_is_closed(
    reviews: Reviews, reconciler: Reconciler, trail: Trail,
) -> None:
    about, other = case(), case()
    handle, untouched = await reviews.waiting(about), await reviews.waiting(other)
    assert await reconciler.reconcile() == Found()
    await handle.terminate(f"about {PHRASE}")
    assert await reconciler.reconcile() == Found(ended=(handle.id,))
    assert await reconciler.reconcile() == Found()
    assert (await reviews.ended(handle))[0] == "cancelled"
    assert [(await reviews.shown(each))[0] for each in (handle, untouched)] == ["cancelled", "waiting"]
    assert events(trail) == ["task_created", "task_created", "terminated"]
    said = json.loads(trail.rows()[-1][1])
    assert said["meaning"].startswith("cancelled; by ") and PHRASE not in trail.rows()[-1][1]
    assert await exporting(reviews.server, trail).export() == 1


async def test_a_review_that_was_terminated_before_it_had_a_task_is_found_too(
    server: Server, reconciler: Reconciler, trail: Trail,
) -> None:
    class Down(PostgresInbox):
        async def create(self, task: Any) -> Any:
            raise ApplicationError("down", type="EhrUnavailable")

    async with reviewing(server, trail.database, tasks=Down(trail.database)) as reviews:
        handle = await reviews.start(case())
        await reviews.until(handle, lambda state: state.phase == Phase.OPENING)
        await handle.terminate()
        await listed(server, "Terminated")
        assert await reconciler.reconcile() == Found(ended=(handle.id,))
        assert (await reviews.ended(handle))[0] == "cancelled"


async def test_a_decision_with_a_receipt_outlives_a_terminate(server: Server, reconciler: Reconciler, trail: Trail) -> None:
    class Down(PostgresDecisions):
        async def record(self, outcome: Any) -> None:
            raise ApplicationError("down", type="DatabaseUnavailable")

    about = case()
    async with reviewing(server, trail.database, decisions=Down(trail.database)) as reviews:
        handle = await reviews.waiting(about)
        asked = decision(about)
        await reviews.send(handle, asked)
        await handle.terminate()
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        await listed(server, "Terminated")
        assert await reconciler.reconcile() == Found(ended=(handle.id,))
        assert (await reviews.ended(handle))[:3] == ("approved", asked.event_id, reviewer().id)
        assert json.loads(trail.rows()[-1][1])["meaning"].startswith("approved; by ")


async def test_a_state_that_no_worker_can_tell_waits_for_the_next_round(
    server: Server, reconciler: Reconciler, trail: Trail, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(broken_off, "ANSWER", dt.timedelta(seconds=0.5))
    async with reviewing(server, trail.database) as reviews:
        handle = await reviews.waiting(case())
    await handle.terminate()
    assert await reconciler.reconcile() == Found()
    assert await reviews.rows("select from decision") == []


async def test_a_review_that_temporal_does_not_know_is_reported_and_ended_only_when_asked(
    server: Server, reconciler: Reconciler, trail: Trail,
) -> None:
    about = case()
    known = AuditEvent("task_created", workflow_id(about), str(uuid.uuid4()), about.knowledge_base, about.case_id, about.digest, AT)
    await PostgresAudit(trail.database).record(known)
    for _ in range(2):
        assert await reconciler.reconcile() == Found(lost=(known.review_id,))
    assert events(trail) == ["task_created", "lost"]
    assert await reconciler.reconcile(end_lost=True) == Found(lost=(known.review_id,))
    assert events(trail) == ["task_created", "lost", "lost_ended"]
    assert await reconciler.reconcile() == Found()
    with psycopg.connect(trail.url) as connection:
        found = connection.execute("select status, kind, case_id, encode(digest, 'hex') from review.decision").fetchall()
    assert found == [("cancelled", about.kind, about.case_id, about.digest)]
    assert await exporting(server, trail).export() == 0
    assert events(trail)[-1] == "history_lost"


async def test_a_namespace_that_is_not_there_makes_no_review_look_lost(server: Server, reconciler: Reconciler, trail: Trail) -> None:
    async with reviewing(server, trail.database) as reviews:
        await reviews.waiting(case())
        elsewhere = await Client.connect(server.client.service_client.config.target_host, namespace="elsewhere")
        database = trail.database
        mistaken = Reconciler(elsewhere, PostgresHistories(database), PostgresInbox(database), PostgresDecisions(database), PostgresAudit(database))
        with pytest.raises(RPCError):
            await mistaken.reconcile(end_lost=True)
    assert events(trail) == ["task_created"]
