"""Looks every minute whether somebody must be told, and tells each thing once by each channel.

What counts is what is so now, not what happened since the last tick: a tick that is late or lost delays an alert, and loses none. The cursor
holds what was told, as long as it is so.
"""

import datetime as dt
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import dagster as dg

from kb_platform.components.knowledge_base.automation import ORDER
from kb_platform.knowledge.alerts import Alert, AlertKind, AlertRules
from kb_platform.knowledge.errors import KbError
from kb_platform.knowledge.knowledge_base import KnowledgeBase

if TYPE_CHECKING:
    from kb_platform.alerting.conditions import Conditions
    from kb_platform.components.knowledge_base.schema import ScheduleModel

ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE)
LOOKED_AT = 50  # failed runs of a tick; what is older has been told, or is no news
NEWS = dt.timedelta(days=1)  # a run that failed before is not told of
WILL_RETRY = "dagster/will_retry"


def alert_sensors(kb: KnowledgeBase, schedule: "ScheduleModel") -> Sequence[dg.SensorDefinition]:
    """Return the sensor of a knowledge base whose YAML has `alerts`; it is on."""
    return [] if kb.alerts is None else [_sensor(kb, kb.alerts, schedule)]


def _sensor(kb: KnowledgeBase, rules: AlertRules, schedule: "ScheduleModel") -> dg.SensorDefinition:
    @dg.sensor(name=f"{kb.name}_alerts", minimum_interval_seconds=60, default_status=dg.DefaultSensorStatus.RUNNING,
               description=f"Tells people of {', '.join(kind.value.replace('_', ' ') for kind in rules.kinds)}: `alerts` in defs.yaml.")
    def alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        from kb_platform.alerting.channels import channels_of, lacking
        from kb_platform.alerting.telling import tell

        state = json.loads(context.cursor) if context.cursor else {"since": _now().isoformat(), "told": []}
        channels, missing = channels_of(rules), lacking(rules)
        done = {key for key in _keys(state["told"]) if all(f"{channel.name}:{key}" in state["told"] for channel in channels)}
        found, troubles = _found(context.instance, kb, rules, schedule, state["since"], done)
        told = tell([alert for each in found for alert in each.alerts], channels, state["told"])
        present = frozenset[str]().union(*(each.keys for each in found))
        kept = [d for d in {*state["told"], *told.told} if d.partition(":")[2] in present or troubles]
        context.update_cursor(json.dumps({"since": state["since"], "told": sorted(kept)}))
        return dg.SkipReason("; ".join((f"{told.sent} told", *missing, *troubles, *told.troubles)))  # not logged as well: a log is a file a tick

    return alerts


def _found(
    instance: dg.DagsterInstance, kb: KnowledgeBase, rules: AlertRules, schedule: "ScheduleModel", since: str, done: set[str]
) -> "tuple[list[Conditions], list[str]]":
    """Return what is worth telling now, and why some of it cannot be known: a database that does not answer keeps back no failed run."""
    from kb_platform.alerting.conditions import Conditions, files_unreadable, gates_failed
    from kb_platform.resources import open_store

    found, troubles = list[Conditions](), list[str]()
    try:
        database = open_store(kb.name).database
        gates = gates_failed(database)
        found += [gates] if AlertKind.GATE_FAILED in rules.kinds else []
        found += [files_unreadable(database, done)] if AlertKind.FILE_UNREADABLE in rules.kinds else []
        stopped = bool(gates.alerts)
    except KbError as error:
        troubles.append(str(error))
        stopped = False
    failed = failed_runs(instance, kb, dt.datetime.fromisoformat(since), stopped=stopped) if AlertKind.RUN_FAILED in rules.kinds else []
    late = overdue(instance, kb, schedule, rules.overdue_hours, _now()) if AlertKind.REFRESH_OVERDUE in rules.kinds else []
    return [*found, *(Conditions((alert,), frozenset(alert.keys)) for alert in (*failed, *late))], troubles


def failed_runs(instance: dg.DagsterInstance, kb: KnowledgeBase, since: dt.datetime, *, stopped: bool) -> list[Alert]:
    """Return an alert for each run that failed and will not be tried again; of a release that a gate stopped, the gate tells."""
    jobs = [f"{kb.name}_{step}" for step in (*ORDER, "maintenance", "promote")]
    begun = max(since, _now() - NEWS)
    found = []
    for job in jobs:
        if job == f"{kb.name}_release" and stopped:
            continue
        runs = instance.get_runs(dg.RunsFilter(job_name=job, statuses=[dg.DagsterRunStatus.FAILURE], updated_after=begun), limit=LOOKED_AT)
        found += [_run_failed(kb, job, run.run_id) for run in runs if run.tags.get(WILL_RETRY) != "true"]
    return found


def _run_failed(kb: KnowledgeBase, job: str, run_id: str) -> Alert:
    text = f"{kb.name}: run {run_id[:8]} of {job} failed. Its page in Dagster says at which step and why."
    return Alert(AlertKind.RUN_FAILED, kb.name, (f"run/{run_id}",), text, {"job": job, "run": run_id})


def overdue(instance: dg.DagsterInstance, kb: KnowledgeBase, schedule: "ScheduleModel", hours: float, now: dt.datetime) -> list[Alert]:
    """Return an alert where the schedule is on, its last time is longer ago than allowed, and no release run has ended since."""
    from croniter import croniter

    if not schedule.enabled:
        return []
    due = croniter(schedule.cron, now.astimezone(ZoneInfo(kb.timezone)) - dt.timedelta(hours=hours)).get_prev(dt.datetime)
    if due.date() < kb.start_date:
        return []
    runs = instance.get_runs(dg.RunsFilter(job_name=f"{kb.name}_release", statuses=list(ENDED), updated_after=due.astimezone(dt.UTC)), limit=1)
    if runs:
        return []
    text = (f"{kb.name}: the refresh of {due:%Y-%m-%d %H:%M} ({kb.timezone}) is overdue: no release was judged within {hours:g} h. "
            f"Look at the runs of {kb.name}_ingest and {kb.name}_embed, and whether the daemon runs (`kb status`).")
    return [Alert(AlertKind.REFRESH_OVERDUE, kb.name, (f"overdue/{due.isoformat()}",), text, {"due": due.isoformat(), "hours": hours})]


def _keys(deliveries: Sequence[str]) -> set[str]:
    return {delivery.partition(":")[2] for delivery in deliveries}


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
