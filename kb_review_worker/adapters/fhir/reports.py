"""What the EHR says happened to a Task: read again with our own credentials, whatever a webhook claims.

A person decides in the EHR by completing the Task, with outputs of type `verdict` (approve, reject, request_changes), `reason` and, unless
the owner decided, `decided-by` (a reference). A person claims it by becoming its owner. Who that is, and with which roles, is what
the EHR's directory says (Practitioner, PractitionerRole). References are followed on this server only.
"""

import datetime as dt
import re
from contextlib import suppress
from dataclasses import dataclass

from pydantic import ValidationError

from kb_contracts.decisions import Claim, ReviewDecision, Reviewer, Verdict
from kb_review_worker.adapters.fhir.client import FhirClient, Resource, StaleVersion
from kb_review_worker.adapters.fhir.resources import ENDED, field_of, reference_of, reopened, review_of, was_closed_by_us

ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
LONGEST_REASON = 10_000  # as the contracts bound it


@dataclass(frozen=True)
class TaskReport:
    """A version of a Task: what it asks of its review, or why it asks for nothing that can be done."""

    review_id: str
    event_id: str
    request: ReviewDecision | Claim | None = None
    problem: str = ""


class FhirReports:
    """Reads Tasks for the gateway."""

    def __init__(self, client: FhirClient) -> None:
        self._client = client

    async def report(self, task_id: str) -> TaskReport | None:
        """Return what a Task says now; None if it is not there, or not ours.

        Raises:
            ApplicationError: as client.py says.
        """
        task = await self._client.read("Task", task_id) if ID.fullmatch(task_id) else None
        review = review_of(task) if task else None
        if task is None or review is None:
            return None
        event = f"Task/{task['id']}/_history/{task['meta']['versionId']}"
        is_decision = task["status"] == "completed"
        if was_closed_by_us(task) or (not is_decision and (task["status"] in ENDED or "owner" not in task)):
            return TaskReport(review, event)
        who = await self._person((is_decision and reference_of(task, "decided-by")) or task.get("owner", {}))
        if who is None:
            return TaskReport(review, event, problem="nobody did it whom the EHR's directory knows")
        return _decided(task, review, event, who) if is_decision else TaskReport(review, event, Claim(event_id=event, reviewer=who))

    async def reopen(self, report: TaskReport, why: str) -> None:
        """Open the Task of a decision that was refused, so that somebody else finds it; not if it was changed since."""
        _, id_, _, version = report.event_id.split("/")
        task = await self._client.read("Task", id_)
        if task and task["meta"]["versionId"] == version and task["status"] == "completed":
            with suppress(StaleVersion):
                await self._client.update(reopened(task, why))

    async def _person(self, owner: Resource) -> Reviewer | None:
        kind, id_ = self._local(owner.get("reference", ""))
        if kind == "PractitionerRole":
            role = await self._client.read(kind, id_)
            kind, id_ = self._local((role or {}).get("practitioner", {}).get("reference", ""))
        practitioner = await self._client.read(kind, id_) if kind == "Practitioner" else None
        if practitioner is None or practitioner.get("active") is False:
            return None
        roles = await self._client.search("PractitionerRole", practitioner=f"Practitioner/{id_}", _count="100")
        codes = {coding["code"] for role in roles if role.get("active") is not False
                 for concept in role.get("code", []) for coding in concept.get("coding", []) if coding.get("code")}
        return Reviewer(id=id_, issuer=self._client.base, name=_name(practitioner), roles=tuple(sorted(codes)))

    def _local(self, reference: str) -> tuple[str, str]:
        kind, _, id_ = reference.removeprefix(f"{self._client.base}/").partition("/")
        return (kind, id_) if ID.fullmatch(id_) else ("", "")


def _decided(task: Resource, review: str, event: str, who: Reviewer) -> TaskReport:
    said = field_of(task, "output", "verdict")
    if said not in set(Verdict):
        return TaskReport(review, event, problem="its verdict is none of ours" if said else "it was completed without a verdict")
    try:
        return TaskReport(review, event, ReviewDecision(
            event_id=event, verdict=Verdict(said), reviewer=who, reason=field_of(task, "output", "reason")[:LONGEST_REASON],
            digest=field_of(task, "input", "digest"), decided_at=dt.datetime.fromisoformat(task["meta"]["lastUpdated"]),
        ))
    except ValidationError:
        return TaskReport(review, event, problem="its input `digest` is gone")


def _name(practitioner: Resource) -> str:
    for name in practitioner.get("name", []):
        return str(name.get("text") or " ".join([*name.get("given", []), name.get("family", "")])).strip()[:255]
    return ""
