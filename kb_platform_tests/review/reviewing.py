"""Asks the real server what runs there, and decides as a gateway does, with the review worker beside."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from temporalio.client import Client

from kb_contracts.decisions import Receipt, ReviewDecision, Reviewer, Verdict
from kb_contracts.names import UpdateName
from kb_platform.review.service import Address
from kb_review_worker.encryption.codec import data_converter
from kb_review_worker.settings import Settings
from kb_review_worker.storage.audit import PostgresAudit
from kb_review_worker.storage.database import Database
from kb_review_worker.storage.decisions import PostgresDecisions
from kb_review_worker.storage.inbox import PostgresInbox
from kb_review_worker.worker import Ports, build_worker

T = TypeVar("T")
ROLE = "kb-reviewer"


def ask(address: Address, question: Callable[[Client], Awaitable[T]]) -> T:
    """Answer a question with a client that has the worker's codec."""

    async def answer() -> T:
        return await question(await Client.connect(address.frontend, namespace=address.namespace, data_converter=data_converter(address.keys)))

    return asyncio.run(answer())


def running(address: Address, name: str, count: int) -> dict[str, str]:
    """Return id and run of every review of a knowledge base, ended ones too, once `count` are listed: Temporal lists a start soon after it."""

    async def listed(client: Client) -> dict[str, str]:
        for _ in range(3000):
            found = [w async for w in client.list_workflows()]
            of_this = {w.id: w.run_id for w in found if w.id.split("/")[2] == name}
            if len(of_this) >= count:
                break
            await asyncio.sleep(0.1)
        return of_this

    return ask(address, listed)


def with_worker(address: Address, url: str, work: Callable[[Client], Awaitable[T]]) -> T:
    """Do something while the review worker runs."""

    async def both(client: Client) -> T:
        async with Database(url) as database:
            ports = Ports(PostgresInbox(database), PostgresDecisions(database), PostgresAudit(database))
            async with build_worker(client, ports, Settings(), build=None, task_queue=address.task_queue):
                return await work(client)

    return ask(address, both)


async def decide(client: Client, review: str, digest: bytes, verdict: Verdict = Verdict.APPROVE, who: str = "dr.reviewer") -> Any:
    """Decide as soon as the review is ready, and return its outcome."""
    handle = client.get_workflow_handle(review)
    decision = ReviewDecision(event_id=f"event/{review}", verdict=verdict, digest=digest.hex(), reason="seen",
                              reviewer=Reviewer(id=who, issuer="https://id.example.org", name=who, roles=(ROLE,)))
    while (await handle.query("state"))["phase"] == "opening":
        await asyncio.sleep(0.02)
    await handle.execute_update(UpdateName.DECIDE, decision, id=decision.event_id, result_type=Receipt)
    return await handle.result()
