"""Jobs and the schedule.

Three jobs and not one, for two reasons: embeddings alone are in the `gpu` pool, so that a closed window holds no process while
rows are written; and a source that fails stops neither the other sources nor the release of what they delivered.
"""

from typing import TYPE_CHECKING

import dagster as dg

from kb_platform.components.knowledge_base.schema import KnowledgeBaseModel
from kb_platform.knowledge.knowledge_base import KnowledgeBase

if TYPE_CHECKING:  # the class that define_asset_job returns has no public name
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition as AssetJob

STEPS = {"ingest": ("raw_documents", "chunks"), "embed": ("embeddings",), "release": ("vector_index",)}
ORDER = tuple(STEPS)


def jobs_of(kb: KnowledgeBase) -> dict[str, "AssetJob"]:
    """Return the jobs by step: ingest, embed, release. They run steps in one process: a step of its own costs seconds."""
    return {step: _job(kb, step) for step in ORDER}


def _job(kb: KnowledgeBase, step: str) -> "AssetJob":
    keys = [dg.AssetKey([kb.name, source.name, asset]) for source in kb.sources for asset in STEPS[step]]
    if step == "release":
        keys += [dg.AssetKey([kb.name, "release_candidate"]), dg.AssetKey([kb.name, "promoted_release"])]
    return dg.define_asset_job(
        f"{kb.name}_{step}", selection=dg.AssetSelection.assets(*keys),
        executor_def=dg.in_process_executor, description=f"{' and '.join(STEPS[step])} of one day, or of a range in one run.",
    )


def schedule_of(model: KnowledgeBaseModel, jobs: dict[str, "AssetJob"]) -> dg.ScheduleDefinition:
    """Return the daily schedule of the first job; sensors.py starts the next ones."""
    status = dg.DefaultScheduleStatus.RUNNING if model.schedule.enabled else dg.DefaultScheduleStatus.STOPPED

    @dg.schedule(
        name=f"{model.name}_daily", job=jobs["ingest"], cron_schedule=model.schedule.cron, execution_timezone=model.timezone,
        default_status=status, description="Refreshes the day that begins with the tick's date.",
    )
    def daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        day = context.scheduled_execution_time.date().isoformat()
        return dg.RunRequest(run_key=day, partition_key=day)

    return daily
