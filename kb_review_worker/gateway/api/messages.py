"""What the REST interface says and takes: the shapes behind `/api/openapi.json`."""

import datetime as dt
from typing import Any

from pydantic import BaseModel, Field

from kb_contracts.decisions import Note, Receipt, Verdict
from kb_contracts.message import Digest, Text
from kb_review_worker.storage.task_lists import Task


class Person(BaseModel):
    """A person, as their token or the task says."""

    id: str
    issuer: str = ""
    name: str = ""


class CaseSummary(BaseModel):
    """A case in a list."""

    id: int
    review: str = Field(description="The review's id; a returning case is another review.")
    knowledge_base: str
    case: int
    kind: str
    subject: str
    digest: str = Field(description="Of exactly what a decision is about; a decision must name it.")
    status: str
    due_at: dt.datetime | None
    escalation_level: int
    assignee: Person | None
    decided_by: Person | None
    ended_at: dt.datetime | None


class CaseList(BaseModel):
    """A page of a list, fifty cases long."""

    cases: list[CaseSummary]
    total: int


class Case(CaseSummary):
    """A case with what is decided about."""

    facts: dict[str, Any]
    brief: dict[str, Any] | None = Field(description="Written by a machine, checked by nobody.")
    authors: list[str]
    reviewer_roles: list[str]
    material: str
    previous: str
    reasons: list[str]
    sources: list[str]
    superseded_by: int | None
    notes: list[Note] | None = Field(description="null: the review does not answer just now.")


class Decide(BaseModel):
    """A decision on what the reviewer had before them."""

    verdict: Verdict
    digest: Digest
    reason: Text = Field(default="", description="Required unless the verdict is to approve.")


class Reassign(BaseModel):
    """Another person of the same issuer, or nobody."""

    to: str | None = Field(default=None, min_length=1, max_length=255)


class Remark(BaseModel):
    """A note."""

    text: Text = Field(min_length=1)


class Accepted(BaseModel):
    """The answer to a request: with its receipt, or to be asked for again with the same `Idempotency-Key`."""

    event_id: str
    receipt: Receipt | None


def summary(task: Task) -> CaseSummary:
    """Return a task as a list shows it."""
    return CaseSummary(**_summary(task))


def _summary(task: Task) -> dict[str, Any]:
    assignee = Person(id=task.assignee_id, issuer=task.assignee_issuer or "", name=task.assignee_name or "") if task.assignee_id else None
    reviewer = Person(id=task.reviewer_id, name=task.reviewer_name or "") if task.reviewer_id else None
    return {"id": task.task_id, "review": task.review_id, "knowledge_base": task.knowledge_base, "case": task.case_id, "kind": task.kind,
            "subject": task.subject, "digest": task.digest, "status": task.status, "due_at": task.due_at, "escalation_level": task.escalation_level,
            "assignee": assignee, "decided_by": reviewer, "ended_at": task.ended_at}


def described(task: Task, content: dict[str, Any], notes: list[Note] | None) -> Case:
    """Return a task with its content."""
    return Case(**_summary(task), facts=task.facts, brief=task.brief, authors=task.authors, reviewer_roles=task.roles, notes=notes, **content)
