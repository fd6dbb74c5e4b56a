"""What the code location has beside its knowledge bases: how runs by hand are executed, and what cleans up after pods."""

import dagster as dg

from kb_platform.components.executors.choice import in_pods, step_executor
from kb_platform.components.executors.ended_runs import ended_run_sensors
from kb_platform.components.knowledge_base.compute_schema import ComputeModel, deployment_compute, to_compute
from kb_platform.settings import current_settings


def runs_by_hand() -> dg.Definitions:
    """Return an executor for runs by hand, and, where steps run in pods, what cleans up after runs.

    Runs that no job of ours describes, "Materialize" and back-fills, have this executor: their steps run as those of the jobs do (Dagster's
    own starts a process for each, which costs a minute where there is nothing to do), and find a GPU where they need one.
    """
    deployment = to_compute(ComputeModel(), deployment_compute(current_settings().compute))
    return dg.Definitions(executor=step_executor(deployment), sensors=ended_run_sensors() if in_pods() else ())
