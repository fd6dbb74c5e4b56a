"""What all routes use, put together once by the process."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from kb_contracts.decisions import Reviewer
from kb_review_worker.gateway.deliveries import Deliveries
from kb_review_worker.gateway.identity.who import Identity
from kb_review_worker.gateway.problems import Problem
from kb_review_worker.gateway.reviews import TemporalReviews
from kb_review_worker.gateway.settings import GatewaySettings
from kb_review_worker.gateway.trail import Trail
from kb_review_worker.storage.sessions import PostgresSessions
from kb_review_worker.storage.task_lists import PostgresTaskLists, Task, Wanted


@dataclass(frozen=True)
class Services:
    """The parts of a gateway. `webhook_secrets` is empty where no signed webhooks are taken."""

    settings: GatewaySettings
    identity: Identity
    deliveries: Deliveries
    reviews: TemporalReviews
    tasks: PostgresTaskLists
    sessions: PostgresSessions
    trail: Trail
    webhook_secrets: Sequence[bytes] = ()

    def sees(self, person: Reviewer, **wanted: object) -> Wanted:
        """Return what a person may see, narrowed by filters."""
        return Wanted(person.roles, self.settings.auditor_role in person.roles, **wanted)  # pyright: ignore[reportArgumentType]

    async def task(self, task_id: int, person: Reviewer, address: str) -> Task:
        """Return a task that a person reads, and record that they did, or that they were not allowed to.

        Raises:
            Problem: there is none for that person.
        """
        task = await self.tasks.task(task_id, self.sees(person, status="all"))
        if task is not None:
            await self.trail.viewed(task, person)
            return task
        hidden = await self.tasks.task(task_id, Wanted((), all_roles=True, status="all"))
        if hidden is not None:
            await self.trail.hidden(hidden, person, address)
        raise no_such_case()

    async def asked_about(self, task_id: int) -> Task:
        """Return the task that a request is about. Whether the person may ask is the review's to say: its refusal is recorded.

        Raises:
            Problem: there is none.
        """
        task = await self.tasks.task(task_id, Wanted((), all_roles=True, status="all"))
        if task is None:
            raise no_such_case()
        return task


def no_such_case() -> Problem:
    """Return that there is no such case, or none for that person."""
    return Problem(404, "No such case", "there is no case of that number for you")


def address_of(request: Request) -> str:
    """Return where a request comes from."""
    return request.client.host if request.client else ""


def _services(request: Request) -> Services:
    return request.app.state.services


ServicesOf = Annotated[Services, Depends(_services)]
