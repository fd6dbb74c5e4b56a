"""What continues embedding when the GPU window opens: one run an opening, if deliveries wait for the index; another one if that failed.

The level decides and not the edge: what counts is that the window is open, what waits, and which runs began since it opened. A tick
that is late, doubled or lost changes nothing. Release follows these runs as it follows every embed run (sensors.py).
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg

from kb_platform.components.knowledge_base.promotion_requests import WAITS
from kb_platform.knowledge.gpu_window import WindowState
from kb_platform.knowledge.knowledge_base import KnowledgeBase

if TYPE_CHECKING:  # the class that define_asset_job returns has no public name
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition as AssetJob


@dataclass(frozen=True)
class EmbedRun:
    """A run of the embed job: when it began and ended, None for what has not happened. One that somebody cancelled has not `failed`."""

    began: dt.datetime | None
    ended: dt.datetime | None
    failed: bool = False


def why_not(state: WindowState, runs: Sequence[EmbedRun], now: dt.datetime) -> str:
    """Return why no run is asked for, "" if one is due should anything wait. `runs` are those at hand, and those that ended since the opening."""
    if not state.is_open:
        return f"the window is {state}"
    if state.since is None:
        return "the window has been open for more than a week: the daily refresh embeds what waits"
    if any(run.ended is None for run in runs):
        return "a run is at hand"
    since = [run for run in runs if run.began is None or run.began >= state.since]
    if not all(run.failed for run in since):
        return "this opening has had its run"
    return _wait_after([run.ended for run in since if run.ended], now)


def _wait_after(failures: Sequence[dt.datetime], now: dt.datetime) -> str:
    number = len(failures)
    if number > len(WAITS):
        return f"{number} runs have failed since the window opened: look at them"
    early = number and now - max(failures) < WAITS[number - 1]
    return "the last run failed, and the next one waits a while" if early else ""


def embed_again_sensor(kb: KnowledgeBase, embed: "AssetJob", *, enabled: bool) -> dg.SensorDefinition:
    """Return the sensor of a knowledge base."""

    @dg.sensor(
        name=f"{kb.name}_embed_again", job=embed, minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING if enabled else dg.DefaultSensorStatus.STOPPED,
        description="Starts embed when the GPU window has opened and deliveries wait; release follows it.")
    def again(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        from kb_platform.knowledge.errors import TransientError
        from kb_platform.resources.gpu_window import utc_now, window_now

        try:
            state, now = window_now(kb), utc_now()
            runs = _runs(context.instance, embed.name, state.since or now)
            if said := why_not(state, runs, now):
                return dg.SkipReason(said)
            if not _waits(kb):
                return dg.SkipReason("the window is open, and nothing waits")
        except TransientError as error:
            return dg.SkipReason(str(error))
        tried = sum(run.failed for run in runs)
        return dg.RunRequest(run_key=f"{kb.name}/{state.since:%Y-%m-%dT%H:%M:%SZ}/{tried}", partition_key=kb.today().isoformat())

    return again


def _runs(instance: dg.DagsterInstance, job: str, since: dt.datetime) -> list[EmbedRun]:
    records = instance.get_run_records(dg.RunsFilter(job_name=job, updated_after=since))
    ended = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
    at_hand = [status for status in dg.DagsterRunStatus if status not in ended]
    waiting = instance.get_run_records(dg.RunsFilter(job_name=job, statuses=at_hand), limit=1)
    return [_run(record) for record in (*records, *waiting)]


def _run(record: dg.RunRecord) -> EmbedRun:
    began = dt.datetime.fromtimestamp(record.start_time, dt.UTC) if record.start_time else None
    if not record.dagster_run.is_finished:
        return EmbedRun(began, None)
    ended = dt.datetime.fromtimestamp(record.end_time, dt.UTC) if record.end_time else record.update_timestamp.replace(tzinfo=dt.UTC)
    return EmbedRun(began, ended, failed=record.dagster_run.status is dg.DagsterRunStatus.FAILURE)


def _waits(kb: KnowledgeBase) -> bool:
    from kb_platform.index.pipeline import pipelines_of
    from kb_platform.resources import open_store
    from kb_platform.storage.captures import pending_captures

    database = open_store(kb.name).database
    return any(pending_captures(database, source, pipeline.fingerprint, kb.today()) for source, pipeline in pipelines_of(kb).items())
