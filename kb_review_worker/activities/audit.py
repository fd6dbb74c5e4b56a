"""What an activity tells the audit sink."""

import datetime as dt

from temporalio import activity

from kb_contracts.cases import ReviewCase
from kb_contracts.decisions import Reviewer
from kb_review_worker.ports import AuditEvent


def event_of(name: str, case: ReviewCase, at: dt.datetime, *, who: Reviewer | None = None, meaning: str = "") -> AuditEvent:
    """Return an event of the review that the running activity belongs to."""
    info = activity.info()
    return AuditEvent(name, str(info.workflow_id), str(info.workflow_run_id), case.knowledge_base, case.case_id, case.digest, at, who, meaning)
