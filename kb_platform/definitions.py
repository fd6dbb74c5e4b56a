"""The code location: every knowledge base whose defs.yaml lies in the folder that KB_DEFS names."""

import gc

import dagster as dg

gc.freeze()  # what Dagster has loaded stays for good: a full collection, one of which comes amid our imports, need not walk over it

from kb_platform.components.gpu_window import window_sensor
from kb_platform.components.loading import load_what_loads
from kb_platform.components.runs_by_hand import runs_by_hand
from kb_platform.resources.platform import Platform
from kb_platform.settings import current_settings


@dg.definitions
def defs() -> dg.Definitions:
    """Return assets, checks, jobs, schedules and sensors of all knowledge bases; of those that do not load, why."""
    ours = dg.Definitions(resources={"platform": Platform()}, sensors=[window_sensor()])
    return load_what_loads(current_settings().defs, dg.Definitions.merge(runs_by_hand(), ours))
