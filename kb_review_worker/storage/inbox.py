"""The built-in inbox: the task system of an installation without an EHR. Its pages read `review.task`."""

import datetime as dt

from psycopg.types.json import Jsonb

from kb_contracts.decisions import Reviewer
from kb_contracts.message import storable
from kb_contracts.outcomes import Status, TaskRef
from kb_review_worker.ports import KnownTask, NewTask
from kb_review_worker.storage.database import Database

SYSTEM = "inbox"


class PostgresInbox:
    """Tasks as rows, one for each review."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, task: NewTask) -> TaskRef:
        """Insert the task, or find it: the review's id is its key."""
        case, brief = task.case, task.brief
        values = {
            "review_id": task.review_id, "run_id": task.run_id, "knowledge_base": case.knowledge_base, "case_id": case.case_id,
            "kind": case.kind, "subject": case.subject, "digest": case.digest, "opened_at": case.opened_at, "facts": Jsonb(case.facts),
            "brief": Jsonb(brief.model_dump(mode="json")) if brief else None, "authors": list(case.authors), "roles": list(case.reviewer_roles),
            "material": storable(case.material), "previous": storable(case.previous), "reasons": [storable(each) for each in case.reasons],
            "sources": [storable(each) for each in case.sources],
        }
        async with self._database.transaction() as c:
            await c.execute(
                """insert into task (review_id, run_id, knowledge_base, case_id, kind, subject, digest, opened_at, facts, brief, authors, roles,
                     material, previous, reasons, sources)
                   values (%(review_id)s, %(run_id)s, %(knowledge_base)s, %(case_id)s, %(kind)s, %(subject)s, decode(%(digest)s, 'hex'),
                     %(opened_at)s, %(facts)s, %(brief)s, %(authors)s, %(roles)s, %(material)s, %(previous)s, %(reasons)s, %(sources)s)
                   on conflict (review_id) do nothing""", values)
            cursor = await c.execute("select task_id from task where review_id = %s", (task.review_id,))
            row = await cursor.fetchone()
        assert row is not None
        return TaskRef(system=SYSTEM, id=str(row[0]))

    async def set_due(self, task: KnownTask, due_at: dt.datetime) -> None:
        """Set the time by which it must be decided."""
        async with self._database.transaction() as c:
            await c.execute("update task set due_at = %s where review_id = %s", (due_at, task.review_id))

    async def assign(self, task: KnownTask, to: Reviewer | None) -> None:
        """Show who is at it."""
        shown = (to.issuer, to.id, to.name) if to else (None, None, None)
        async with self._database.transaction() as c:
            await c.execute(
                """update task set assignee_issuer = %s, assignee_id = %s, assignee_name = %s
                   where review_id = %s and closed_at is null""", (*shown, task.review_id))

    async def escalate(self, task: KnownTask, level: int) -> None:
        """Raise the level of an open task."""
        async with self._database.transaction() as c:
            await c.execute("update task set escalation_level = greatest(escalation_level, %s) where review_id = %s and closed_at is null",
                            (level, task.review_id))

    async def close(self, task: KnownTask, status: Status) -> None:
        """Close it; what it was closed with first stays."""
        async with self._database.transaction() as c:
            await c.execute("update task set status = %s, closed_at = now() where review_id = %s and closed_at is null",
                            (status.value, task.review_id))
