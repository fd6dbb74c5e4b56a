"""Reviews as FHIR R4 Tasks.

Pure: each function takes a Task and returns another. Code values are R4's own, which servers rarely check.

    of a review                   in the Task
    its id                        identifier (system urn:kb-platform:review)
    what it is about              code, description, input `digest`, `knowledge-base`, `case`
    who may decide                performerType
    waits, is claimed             status requested, accepted; owner
    due, escalated                restriction.period.end; priority urgent, asap, stat; a note for each level
    decided                       status completed; businessStatus
    expired, withdrawn, cancelled status cancelled; businessStatus, statusReason
"""

import copy
import datetime as dt
from typing import Any

from kb_contracts.decisions import Reviewer
from kb_contracts.outcomes import Brief, Status
from kb_review_worker.ports import NewTask

Resource = dict[str, Any]
REVIEW, KIND, FIELD, ROLE, STATUS = (f"urn:kb-platform:{name}" for name in ("review", "case-kind", "review-field", "reviewer-role", "review-status"))
PRIORITIES = ("routine", "urgent", "asap", "stat")
ENDED = frozenset({"completed", "cancelled", "failed", "rejected", "entered-in-error"})
DECIDED = frozenset({Status.APPROVED, Status.REJECTED, Status.CHANGES_REQUESTED})


def new_task(task: NewTask, now: dt.datetime) -> Resource:
    """Return the Task of a review."""
    case = task.case
    kind = case.kind.replace("_", " ")
    return {
        "resourceType": "Task", "identifier": [{"system": REVIEW, "value": task.review_id}], "status": "requested", "intent": "order",
        "priority": PRIORITIES[0], "code": _concept(KIND, case.kind, f"Review: {kind}"),
        "description": f"{kind} of {case.knowledge_base}: {case.subject}", "authoredOn": _instant(now),
        "performerType": [_concept(ROLE, role, role) for role in case.reviewer_roles],
        "input": [_field("digest", case.digest), _field("knowledge-base", case.knowledge_base), _field("case", str(case.case_id))],
        **({"note": [{"text": _told(task.brief)}]} if task.brief else {}),
    }


def identified_by(review_id: str) -> str:
    """Return the search that finds a review's Task."""
    return f"identifier={REVIEW}|{review_id}"


def review_of(task: Resource) -> str | None:
    """Return the id of the review that a Task belongs to; None for a Task of somebody else's."""
    return next((str(each.get("value")) for each in task.get("identifier", []) if each.get("system") == REVIEW), None)


def was_closed_by_us(task: Resource) -> bool:
    """Tell whether the end of a Task is the end of its review, and not somebody's doing in the EHR."""
    return any(coding.get("system") == STATUS for coding in task.get("businessStatus", {}).get("coding", []))


def reopened(task: Resource, why: str) -> Resource:
    """Return the Task as open as it was before a decision that was refused."""
    changed = {key: value for key, value in copy.deepcopy(task).items() if key not in {"owner", "output"}}
    return changed | {"status": "requested", "note": [*task.get("note", []), {"text": f"The decision was refused: {why}"}]}


def with_due(task: Resource, due_at: dt.datetime) -> Resource:
    """Return the Task with the time by which it must be decided."""
    changed = copy.deepcopy(task)
    changed.setdefault("restriction", {}).setdefault("period", {})["end"] = _instant(due_at)
    return changed


def with_owner(task: Resource, owner: Reviewer | None, base: str) -> Resource:
    """Return the Task with, or without, somebody at it."""
    if task["status"] in ENDED:
        return task
    changed = copy.deepcopy(task)
    changed.pop("owner", None)
    if owner is not None:
        changed["owner"] = task["owner"] if _is_theirs(task, owner, base) else _reference(owner, base)
    if changed["status"] in {"requested", "accepted"}:
        changed["status"] = "accepted" if owner else "requested"
    return changed


def escalated(task: Resource, level: int) -> Resource:
    """Return the Task with at least the priority of a level, and a note of it."""
    if task["status"] in ENDED:
        return task
    changed = copy.deepcopy(task)
    wanted = PRIORITIES[min(level, len(PRIORITIES) - 1)]
    changed["priority"] = max(task.get("priority", PRIORITIES[0]), wanted, key=_rank)
    note = f"Escalated to level {level}: nobody has decided yet."
    if note not in {each.get("text") for each in task.get("note", [])}:
        changed["note"] = [*task.get("note", []), {"text": note}]
    return changed


def closed(task: Resource, status: Status) -> Resource:
    """Return the Task with its end; one that the EHR has ended stays as it is."""
    if task["status"] in ENDED:
        return task
    said = _concept(STATUS, status.value, status.value.replace("_", " "))
    changed = copy.deepcopy(task) | {"status": "completed" if status in DECIDED else "cancelled", "businessStatus": said}
    if status not in DECIDED:
        changed["statusReason"] = said
    return changed


def field_of(task: Resource, part: str, name: str) -> str:
    """Return a text or code among a Task's input or output; empty where there is none."""
    found = _named(task, part, name)
    return str(found.get("valueString") or found.get("valueCode") or _code(found.get("valueCodeableConcept", {})) or "")


def reference_of(task: Resource, name: str) -> Resource:
    """Return a reference among a Task's output; empty where there is none."""
    found = _named(task, "output", name).get("valueReference")
    return found if isinstance(found, dict) else {}


def _named(task: Resource, part: str, name: str) -> Resource:
    for each in task.get(part, []):
        if any(coding.get("code") == name for coding in each.get("type", {}).get("coding", [])):
            return each
    return {}


def _rank(priority: str) -> int:
    return PRIORITIES.index(priority) if priority in PRIORITIES else len(PRIORITIES)


def _is_theirs(task: Resource, owner: Reviewer, base: str) -> bool:
    wanted, found = _reference(owner, base), task.get("owner", {})
    return bool(found) and all(found.get(key) == value for key, value in wanted.items() if key != "display")


def _reference(person: Reviewer, base: str) -> Resource:
    shown = {"display": person.name} if person.name else {}
    if person.issuer == base:
        return {"reference": f"Practitioner/{person.id}", **shown}
    return {"identifier": {"system": person.issuer, "value": person.id}, **shown}


def _told(brief: Brief) -> str:
    return "\n".join([f"Written by a machine ({brief.model}), not checked by anybody:", brief.summary, *(f"- {point}" for point in brief.points)])


def _concept(system: str, code: str, text: str) -> Resource:
    return {"coding": [{"system": system, "code": code}], "text": text}


def _code(concept: Resource) -> str | None:
    return next((coding.get("code") for coding in concept.get("coding", [])), None)


def _field(name: str, value: str) -> Resource:
    return {"type": _concept(FIELD, name, name), "valueString": value}


def _instant(time: dt.datetime) -> str:
    return time.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
