"""Puts the worker together: one workflow, its activities, and a deployment that pins each review to the code it began with."""

import datetime as dt
import hashlib
from dataclasses import dataclass
from importlib import resources
from importlib.metadata import version

from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import Worker, WorkerDeploymentConfig

from kb_contracts.names import DEPLOYMENT, TASK_QUEUE
from kb_review_worker.activities.briefs import BriefActivities
from kb_review_worker.activities.outcomes import OutcomeActivities
from kb_review_worker.activities.tasks import TaskActivities
from kb_review_worker.ports import AuditSink, BriefWriter, DecisionLedger, TaskSystem
from kb_review_worker.settings import Settings
from kb_review_worker.workflows.human_review import HumanReview


@dataclass(frozen=True)
class Ports:
    """What the activities reach the outside through; no brief writer where no model is configured."""

    tasks: TaskSystem
    decisions: DecisionLedger
    audit: AuditSink
    briefs: BriefWriter | None = None


def build_worker(client: Client, ports: Ports, settings: Settings, *, build: str | None, task_queue: str = TASK_QUEUE) -> Worker:
    """Return a worker. With a `build` it takes part in worker versioning; without, it takes whatever there is (tests, old servers)."""
    tasks, outcomes = TaskActivities(ports.tasks, ports.audit), OutcomeActivities(ports.decisions, ports.audit)
    return Worker(
        client, task_queue=task_queue, workflows=[HumanReview],
        activities=[BriefActivities(ports.briefs).draft_brief, outcomes.record_outcome, tasks.create_task, tasks.set_due_time,
                    tasks.assign_task, tasks.escalate_task, tasks.close_task],
        max_concurrent_activities=settings.concurrent_activities, max_cached_workflows=settings.cached_workflows,
        graceful_shutdown_timeout=dt.timedelta(seconds=settings.graceful_shutdown), deployment_config=_pinned(build),
    )


def _pinned(build: str | None) -> WorkerDeploymentConfig | None:
    if build is None:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(deployment_name=DEPLOYMENT, build_id=build), use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.PINNED,
    )


def build_id() -> str:
    """Return the release, with a digest of all that a replay depends on: a changed workflow is never taken for the one before."""
    digest = hashlib.sha256()
    parts = (resources.files("kb_review_worker") / "workflows", resources.files("kb_contracts"))
    files = [file for part in parts for file in part.iterdir() if file.name.endswith(".py")]
    for file in (*sorted(files, key=str), resources.files("kb_review_worker") / "retries.py"):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return f"{version('kb-platform')}-{digest.hexdigest()[:10]}"
