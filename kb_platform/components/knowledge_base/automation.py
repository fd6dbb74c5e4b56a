"""Jobs and schedules.

Three jobs and not one, for two reasons: embeddings alone are in the `gpu` pool, so that a closed window holds no process while
rows are written; and a source that fails stops neither the other sources nor the release of what they delivered. Maintenance is a
fourth, at an hour of its own.
"""

from typing import TYPE_CHECKING

import dagster as dg

from kb_platform.components.executors.choice import pod_tags, step_executor
from kb_platform.components.knowledge_base.schema import KnowledgeBaseModel
from kb_platform.knowledge.knowledge_base import KnowledgeBase

if TYPE_CHECKING:  # the class that define_asset_job returns has no public name
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition as AssetJob

STEPS = {"ingest": ("raw_documents", "chunks"), "embed": ("embeddings",), "release": ("vector_index",)}
ORDER = tuple(STEPS)


def jobs_of(kb: KnowledgeBase) -> dict[str, "AssetJob"]:
    """Return the jobs by step: ingest, embed, release.

    They run steps in one process: one of its own costs seconds. On a cluster those of embed have pods of their own.
    """
    return {step: _job(kb, step) for step in ORDER}


def _job(kb: KnowledgeBase, step: str) -> "AssetJob":
    keys = [dg.AssetKey([kb.name, source.name, asset]) for source in kb.sources for asset in STEPS[step]]
    if step == "release":
        keys += [dg.AssetKey([kb.name, "release_candidate"]), dg.AssetKey([kb.name, "promoted_release"])]
    then = "; then the release is sealed, judged and promoted" if step == "release" else ""
    return dg.define_asset_job(
        f"{kb.name}_{step}", selection=dg.AssetSelection.assets(*keys), tags=pod_tags(kb, kb.compute.run_pods),
        executor_def=step_executor(kb.compute) if step == "embed" else dg.in_process_executor,
        description=f"{' and '.join(STEPS[step])} of one day, or of a range in one run{then}.",
    )


def upkeep_job_of(kb: KnowledgeBase) -> "AssetJob":
    """Return the job of garbage collection and index maintenance."""
    return dg.define_asset_job(
        f"{kb.name}_maintenance", selection=dg.AssetSelection.assets(dg.AssetKey([kb.name, "maintenance"])),
        tags=pod_tags(kb, kb.compute.run_pods),
        executor_def=dg.in_process_executor, description="Deletes what no kept release shows, and builds worn indexes anew.",
    )


def schedules_of(model: KnowledgeBaseModel, jobs: dict[str, "AssetJob"], upkeep: "AssetJob") -> list[dg.ScheduleDefinition]:
    """Return the daily schedule of the first job (sensors.py starts the next ones), and that of maintenance."""
    status = dg.DefaultScheduleStatus.RUNNING if model.schedule.enabled else dg.DefaultScheduleStatus.STOPPED

    @dg.schedule(
        name=f"{model.name}_daily", job=jobs["ingest"], cron_schedule=model.schedule.cron, execution_timezone=model.timezone,
        default_status=status, description="Refreshes the day that begins with the tick's date.",
    )
    def daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        day = context.scheduled_execution_time.date().isoformat()
        return dg.RunRequest(run_key=day, partition_key=day)

    off_peak = dg.ScheduleDefinition(
        name=f"{model.name}_off_peak", job=upkeep, cron_schedule=model.schedule.maintenance, execution_timezone=model.timezone,
        default_status=status, description="Maintenance, when the refresh is done.",
    )
    return [daily, off_peak]
