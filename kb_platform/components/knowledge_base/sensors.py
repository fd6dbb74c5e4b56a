"""What starts the next job when one has ended: ingest, then embed, then release.

A failed job is followed too: one source that cannot be read must not keep back what the others delivered, and every step takes
only what is complete.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

from kb_platform.components.knowledge_base.automation import ORDER
from kb_platform.knowledge.knowledge_base import KnowledgeBase

if TYPE_CHECKING:  # the class that define_asset_job returns has no public name
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition as AssetJob

ENDED = {"success": dg.DagsterRunStatus.SUCCESS, "failure": dg.DagsterRunStatus.FAILURE}
ALONE = "kb/alone"
"""A run with this tag is followed by none: for whoever wants to look at what an ingest has brought before anything else happens."""
CARRIED = ("dagster/partition", "dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


def next_step_sensors(kb: KnowledgeBase, jobs: dict[str, "AssetJob"]) -> Sequence[dg.SensorDefinition]:
    """Return one sensor an outcome. The ended run's id is the request's key: each run is followed exactly once.

    They are on whether or not the schedule is: an ingest that somebody launches shall lead to its release, too.
    """
    return [_after(kb, jobs, ended) for ended in ENDED]


def _after(kb: KnowledgeBase, jobs: dict[str, "AssetJob"], ended: str) -> dg.SensorDefinition:
    follows = {f"{kb.name}_{before}": f"{kb.name}_{after}" for before, after in zip(ORDER[:-1], ORDER[1:], strict=True)}

    @dg.run_status_sensor(
        name=f"{kb.name}_after_{ended}", run_status=ENDED[ended], monitored_jobs=[jobs[step] for step in ORDER[:-1]],
        request_jobs=[jobs[step] for step in ORDER[1:]], minimum_interval_seconds=10,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Starts embed after ingest, and release after embed, on {ended}.",
    )
    def after(context: dg.RunStatusSensorContext) -> dg.RunRequest | dg.SkipReason:
        run = context.dagster_run
        if ALONE in run.tags:
            return dg.SkipReason(f"run {run.run_id[:8]} has the tag {ALONE}")
        tags = {tag: run.tags[tag] for tag in CARRIED if tag in run.tags}
        return dg.RunRequest(run_key=run.run_id, job_name=follows[run.job_name], tags=tags)

    return after
