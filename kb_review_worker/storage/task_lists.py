"""What the gateway shows of the inbox: lists, one task, and the trail of its case."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from psycopg.rows import class_row

from kb_review_worker.storage.database import Database

PAGE = 50
COLUMNS = """t.task_id, t.review_id, t.run_id, t.knowledge_base, t.case_id, t.kind, t.subject, encode(t.digest, 'hex') digest, t.opened_at,
  t.facts, t.brief, t.authors, t.roles, t.due_at, t.escalation_level, t.assignee_issuer, t.assignee_id, t.assignee_name,
  coalesce(d.status, t.status) status, t.created_at, coalesce(d.ended_at, t.closed_at) ended_at, d.reviewer_id, d.reviewer_name, d.reason,
  d.event_id"""
FROM = "from task t left join decision d using (review_id)"
FOUND = """where (t.roles && %(roles)s or %(all_roles)s)
  and (%(knowledge_base)s::text is null or t.knowledge_base = %(knowledge_base)s) and (%(kind)s::text is null or t.kind = %(kind)s)
  and (%(case)s::bigint is null or t.case_id = %(case)s)
  and (%(status)s = 'all' or (d.review_id is null and t.closed_at is null) = (%(status)s = 'waiting'))
  and (%(assignee)s::text[] is null or array[t.assignee_issuer, t.assignee_id] = %(assignee)s)
  and (not %(overdue)s or t.escalation_level > 0)"""
TRAIL = """select seq, recorded_at, event, body::jsonb ->> 'at', body::jsonb #>> '{who,name}', body::jsonb #>> '{who,id}',
  body::jsonb ->> 'meaning', encode(hash, 'hex') from audit_event where knowledge_base = %s and case_id = %s order by seq limit 1000"""


@dataclass(frozen=True)
class Task:
    """A task with the end of its review, if it has ended: the ledger's word comes before the task's."""

    task_id: int
    review_id: str
    run_id: str
    knowledge_base: str
    case_id: int
    kind: str
    subject: str
    digest: str
    opened_at: dt.datetime
    facts: dict[str, Any]
    brief: dict[str, Any] | None
    authors: list[str]
    roles: list[str]
    due_at: dt.datetime | None
    escalation_level: int
    assignee_issuer: str | None
    assignee_id: str | None
    assignee_name: str | None
    status: str
    created_at: dt.datetime
    ended_at: dt.datetime | None
    reviewer_id: str | None
    reviewer_name: str | None
    reason: str | None
    event_id: str | None

    @property
    def is_waiting(self) -> bool:
        """Tell whether it can be decided."""
        return self.status == "waiting"


@dataclass(frozen=True)
class Content:
    """What a reviewer reads: apart from the task, since it may be long."""

    material: str
    previous: str
    reasons: list[str]
    sources: list[str]
    superseded_by: int | None


@dataclass(frozen=True)
class Wanted:
    """Which tasks are asked for, and with whose eyes: a person sees the tasks of their roles, an auditor all of them."""

    roles: tuple[str, ...]
    all_roles: bool = False
    status: str = "waiting"
    knowledge_base: str | None = None
    kind: str | None = None
    case: int | None = None
    assignee: tuple[str, str] | None = None
    overdue: bool = False

    @property
    def values(self) -> dict[str, Any]:
        """Return what the statements bind."""
        return {"roles": list(self.roles), "all_roles": self.all_roles, "status": self.status, "knowledge_base": self.knowledge_base,
                "kind": self.kind, "case": self.case, "assignee": list(self.assignee) if self.assignee else None, "overdue": self.overdue}


@dataclass(frozen=True)
class TrailRow:
    """A row of the audit trail, for the page."""

    number: int
    recorded_at: dt.datetime
    event: str
    at: str
    name: str | None
    who: str | None
    meaning: str
    hash: str


class PostgresTaskLists:
    """Reads tasks. Writes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def found(self, wanted: Wanted, page: int = 1) -> list[Task]:
        """Return a page of tasks: what waits by its due time, what has ended from the newest on."""
        order = "order by t.escalation_level desc, t.due_at nulls last, t.task_id" if wanted.status == "waiting" else "order by t.task_id desc"
        query = f"select {COLUMNS} {FROM} {FOUND} {order} limit {PAGE} offset %(offset)s"
        return await self._tasks(query, wanted.values | {"offset": PAGE * (page - 1)})

    async def count(self, wanted: Wanted) -> int:
        """Return how many there are on all pages."""
        async with self._database.transaction() as c:
            row = await (await c.execute(f"select count(*) {FROM} {FOUND}".encode(), wanted.values)).fetchone()
        return row[0] if row else 0

    async def choices(self, wanted: Wanted) -> dict[str, list[str]]:
        """Return the knowledge bases and kinds that this person can choose among."""
        query = """select array_agg(distinct t.knowledge_base order by t.knowledge_base), array_agg(distinct t.kind order by t.kind)
                   from task t where t.roles && %(roles)s or %(all_roles)s"""
        async with self._database.transaction() as c:
            row = await (await c.execute(query, wanted.values)).fetchone()
        assert row is not None
        return {"knowledge_base": row[0] or [], "kind": row[1] or []}

    async def task(self, task_id: int, wanted: Wanted) -> Task | None:
        """Return one task, if that person may see it."""
        found = await self._tasks(f"select {COLUMNS} {FROM} {FOUND} and t.task_id = %(task_id)s", wanted.values | {"task_id": task_id})
        return found[0] if found else None

    async def task_of(self, review_id: str) -> Task | None:
        """Return the task of a review, whoever asks."""
        found = await self._tasks(f"select {COLUMNS} {FROM} where t.review_id = %(review_id)s", {"review_id": review_id})
        return found[0] if found else None

    async def ending(self, review_id: str) -> tuple[str, dt.datetime, str] | None:
        """Return how and when a review ended, and by whom it was decided, as the ledger has it: also where the EHR keeps the tasks."""
        query = "select status, ended_at, coalesce(nullif(reviewer_name, ''), reviewer_id, '') from decision where review_id = %s"
        async with self._database.transaction() as c:
            return await (await c.execute(query, (review_id,))).fetchone()

    async def content(self, task_id: int) -> Content:
        """Return what the reviewer of a task reads."""
        query = """select t.material, t.previous, t.reasons, t.sources,
            (select n.task_id from task n where n.knowledge_base = t.knowledge_base and n.kind = t.kind and md5(n.subject) = md5(t.subject)
               and n.subject = t.subject and n.task_id > t.task_id order by n.task_id desc limit 1) superseded_by
          from task t where t.task_id = %s"""
        async with self._database.transaction() as c, c.cursor(row_factory=class_row(Content)) as cursor:
            row = await (await cursor.execute(query, (task_id,))).fetchone()
        assert row is not None
        return row

    async def trail(self, knowledge_base: str, case_id: int) -> list[TrailRow]:
        """Return the case's rows of the audit trail."""
        async with self._database.transaction() as c:
            return [TrailRow(*row) async for row in await c.execute(TRAIL, (knowledge_base, case_id))]

    async def _tasks(self, query: str, values: dict[str, Any]) -> list[Task]:
        async with self._database.transaction() as c, c.cursor(row_factory=class_row(Task)) as cursor:
            return await (await cursor.execute(query.encode(), values)).fetchall()
