"""What opens and closes the pools of the embed runs: a pool without slots keeps runs in the queue, where they hold no process.

Each tick sets what should be, whatever was before: a daemon that was away, or slots that somebody set in the pages, are put right by
the next tick. Runs that go on are not ended by it: their steps ask for themselves (resources/gpu_window.py).
"""

import datetime as dt
from collections.abc import Sequence

import dagster as dg

from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.settings import current_settings

POOL = "gpu"
INTERVAL = 30  # seconds between ticks


def window_sensor(kb: KnowledgeBase | None = None) -> dg.SensorDefinition:
    """Return the sensor of the deployment's pool, or of a knowledge base's own."""
    pool = kb.gpu_pool if kb else POOL

    @dg.sensor(
        name=sensor_name(pool), minimum_interval_seconds=INTERVAL, default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Gives the pool {pool} its slots while the GPU window is open, and takes them while it is closed.")
    def keep(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        from kb_platform.knowledge.errors import TransientError
        from kb_platform.resources.gpu_window import window_now

        try:
            state = window_now(kb)
        except TransientError as error:
            return dg.SkipReason(str(error))
        slots = current_settings().gpu_slots if state.is_open else 0
        before = keep_slots(context.instance, pool, slots)
        return dg.SkipReason(f"the window is {state}: {pool} has {slots} slots" + (f", before {before}" if before != slots else ""))

    return keep


def own_window_sensors(kb: KnowledgeBase) -> Sequence[dg.SensorDefinition]:
    """Return the sensor of a knowledge base that has hours, and so a pool, of its own."""
    return [window_sensor(kb)] if kb.gpu_hours else []


def sensor_name(pool: str) -> str:
    """Return the name of the sensor that looks after a pool."""
    return f"{pool}_window"


def keep_slots(instance: dg.DagsterInstance, pool: str, slots: int) -> int | None:
    """Give a pool its slots unless it has them; return what it had, None if it had the instance's default."""
    before = slots_of(instance, pool)
    if before != slots:
        instance.event_log_storage.set_concurrency_slots(pool, slots)
    return before


def slots_of(instance: dg.DagsterInstance, pool: str) -> int | None:
    """Return a pool's slots, None while it has the instance's default."""
    return next((limit.limit for limit in instance.event_log_storage.get_pool_limits() if limit.name == pool and not limit.from_default), None)


def last_tick(instance: dg.DagsterInstance, pool: str) -> dt.datetime | None:
    """Return when the sensor of a pool last looked, None if it never did."""
    storage = instance.schedule_storage
    assert storage is not None  # an instance without one has no sensors
    found = [tick for state in storage.all_instigator_state() if state.name == sensor_name(pool)
             for tick in storage.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)]
    return max((dt.datetime.fromtimestamp(tick.timestamp, dt.UTC) for tick in found), default=None)
