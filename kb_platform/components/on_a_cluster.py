"""What the code location has beside its knowledge bases, where steps run in pods."""

import dagster as dg

from kb_platform.components.executors.choice import in_pods, step_executor
from kb_platform.components.executors.ended_runs import ended_run_sensors
from kb_platform.components.knowledge_base.compute_schema import ComputeModel, deployment_compute, to_compute
from kb_platform.settings import current_settings


def on_a_cluster() -> dg.Definitions:
    """Return an executor for runs by hand, and what cleans up after runs; nothing where steps do not run in pods.

    Runs that no job of ours describes, "Materialize" and back-fills, have this executor: their steps find a GPU where they need one.
    """
    if not in_pods():
        return dg.Definitions()
    deployment = to_compute(ComputeModel(), deployment_compute(current_settings().compute))
    return dg.Definitions(executor=step_executor(deployment), sensors=ended_run_sensors())
