"""Runs the jobs of a refresh in this process, against the home's Dagster instance: every run is in the UI."""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from kb_platform.cli.output import errors
from kb_platform.components.knowledge_base.automation import ORDER
from kb_platform.knowledge.errors import ConfigError, TransientError, in_a_word
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.progress import Progress
from kb_platform.local.dagster_home import LOCATION, open_instance
from kb_platform.local.orphans import fail_abandoned_runs, process_tags
from kb_platform.resources import heard_by
from kb_platform.settings import Settings

SPEAKING = {"ingest": "reading the sources", "embed": "computing vectors", "release": "writing, sealing and judging"}

# Everything is in the run's own log, which the pages show; on a terminal it would bury the report.
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

# By this tag the pages list a run under its job. The origin that the webserver's own launches carry is left out on purpose: with
# it the sensors would start, and the daemon would retry, what the command does itself.
LISTED = {".dagster/repository": f"__repository__@{LOCATION}"}


@dataclass
class StepRun:
    """One job's run: whether it succeeded, seconds by step, metadata by asset key, and what failed."""

    run_id: str
    success: bool
    seconds: dict[str, float] = field(default_factory=dict)
    metadata: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


def run_refresh(
    settings: Settings, kb: KnowledgeBase, days: Sequence[str], sources: Sequence[str], progress: Progress,
    more_tags: Mapping[str, str] | None = None,
) -> dict[str, StepRun]:
    """Run ingest, embed and release for a day or a range of days. A failed source stops neither the others nor the release.

    `more_tags` are put on the runs: what the run of the release accepts (components/knowledge_base/churn_tags.py).
    """
    definitions = _definitions(kb)
    done: dict[str, StepRun] = {}
    with _lost_database_is_transient(), open_instance(settings) as instance, heard_by(progress):
        fail_abandoned_runs(instance, settings.home)
        with process_tags(settings.home) as tags:
            for step in ORDER:
                progress(SPEAKING[step], 0, None)
                job = definitions.resolve_job_def(f"{kb.name}_{step}")
                done[step] = _run(job, instance, kb, step, days, sources, {**tags, **LISTED, **(more_tags or {})})
    return done


def run_assets(settings: Settings, kb: KnowledgeBase, assets: Sequence[str]) -> StepRun:
    """Materialize unpartitioned assets by hand, as the button in the UI does: without their checks."""
    keys = [dg.AssetKey([kb.name, asset]) for asset in assets]
    with _lost_database_is_transient(), open_instance(settings) as instance, process_tags(settings.home) as tags:
        fail_abandoned_runs(instance, settings.home)
        job = _definitions(kb).resolve_implicit_global_asset_job_def()
        return _collect(instance, job.execute_in_process(
            instance=instance, tags=tags | LISTED, raise_on_error=False, run_config=QUIET, asset_selection=keys))


@contextmanager
def _lost_database_is_transient() -> Iterator[None]:
    """Say in one sentence that Dagster lost its own storage; a step that loses the database fails by itself."""
    from dagster_postgres.utils import DagsterPostgresException
    from sqlalchemy.exc import OperationalError

    retries = _Retries()
    logging.getLogger().addFilter(retries)
    try:
        yield
    except (DagsterPostgresException, OperationalError) as error:
        raise TransientError(
            f"the database went away during the run ({in_a_word(error.__cause__ or error)})", where="Dagster's storage",
            action="run the command again: what is done stays done, nothing is half-written",
        ) from error
    finally:
        logging.getLogger().removeFilter(retries)


class _Retries(logging.Filter):
    """Says once that Dagster waits for its storage; it logs each of its many attempts with all that the driver knows."""

    def __init__(self) -> None:
        super().__init__()
        self._told = False

    def filter(self, record: logging.LogRecord) -> bool:
        if not str(record.msg).startswith("Retrying failed database"):
            return True
        if not self._told:
            errors.print("the database does not answer: trying again for a while", soft_wrap=True)
        self._told = True
        return False


def _definitions(kb: KnowledgeBase) -> dg.Definitions:
    """Load this knowledge base alone: a mistake in the YAML of another one is not its matter."""
    from kb_platform.components.loading import load_knowledge_bases
    from kb_platform.resources.platform import Platform

    return dg.Definitions.merge(load_knowledge_bases(kb.folder), dg.Definitions(resources={"platform": Platform()}))


def _run(job: dg.JobDefinition, instance: dg.DagsterInstance, kb: KnowledgeBase, step: str, days: Sequence[str],
         sources: Sequence[str], tags: dict[str, str]) -> StepRun:
    from kb_platform.components.knowledge_base.automation import STEPS

    chosen = [dg.AssetKey([kb.name, s, asset]) for s in sources for asset in STEPS[step]]
    if step == "release":
        chosen += [dg.AssetKey([kb.name, "release_candidate"]), dg.AssetKey([kb.name, "promoted_release"])]
    one_day = len(days) == 1
    if not one_day:
        tags |= {"dagster/asset_partition_range_start": days[0], "dagster/asset_partition_range_end": days[-1]}
    try:
        result = job.execute_in_process(
            instance=instance, partition_key=days[0] if one_day else None, tags=tags, raise_on_error=False, run_config=QUIET, asset_selection=chosen)
    except dg.DagsterUnknownPartitionError as error:
        raise ConfigError(f"{days[0]} is not a day of {kb.name}", where=str(kb.folder / "defs.yaml"),
                          expected=f"{kb.start_date} to {kb.today()}", action="change start_date") from error
    return _collect(instance, result)


def _collect(instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult) -> StepRun:
    run = StepRun(result.run_id, result.success)
    for stats in instance.get_run_step_stats(result.run_id):
        if stats.start_time and stats.end_time:
            run.seconds[stats.step_key] = stats.end_time - stats.start_time
    said: dict[str, str] = {}
    for event in result.all_events:
        key = event.step_key or ""
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            said[key] = event.asset_check_evaluation_data.description or ""
        if event.is_step_failure:
            if _is_interrupt(event):
                raise KeyboardInterrupt
            run.failures[key] = said.get(key) or _message(event)  # of a blocking check Dagster itself says only that it failed
        if event.is_step_materialization:
            materialization = event.step_materialization_data.materialization
            run.metadata[tuple(materialization.asset_key.path)] = {k: getattr(v, "value", v) for k, v in materialization.metadata.items()}
    return run


def _is_interrupt(event: dg.DagsterEvent) -> bool:
    """Tell whether Ctrl-C ended the step: the job notes it as any other failure, and the next one would start."""
    error = event.step_failure_data.error
    return error is not None and error.cls_name == dg.DagsterExecutionInterruptedError.__name__


def _message(event: dg.DagsterEvent) -> str:
    data = event.step_failure_data
    failure = data.user_failure_data
    if failure and failure.description:
        return failure.description
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return _sentence(error.message) if error else "failed"


CLASS = re.compile(r"((?:[A-Za-z_]\w*\.)*[A-Z]\w*): (?=\S)")  # what Dagster puts in front of a message


def _sentence(message: str) -> str:
    """Return an error's first line without its class; what nobody foresaw says where all of it is."""
    line = next(iter(message.strip().splitlines()), "failed")
    found = CLASS.match(line)
    if found is None:
        return line
    unforeseen = "" if found[1].startswith("kb_platform.") else " (nobody foresaw this: the run's page in Dagster has the whole error)"
    return f"{line[found.end():]}{unforeseen}"
