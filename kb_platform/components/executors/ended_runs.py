"""Nothing of an ended run goes on in the cluster: its steps' Jobs are deleted by their label.

The executor deletes them when its run is cancelled. A run whose own pod was killed cannot, so a sensor does it after every run that
failed or was cancelled.
"""

from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:  # the code location loads without Kubernetes' client
    from dagster_k8s.client import DagsterKubernetesClient

STEPS = "app.kubernetes.io/component=step_worker"


def delete_steps(api: "DagsterKubernetesClient", namespace: str, run_id: str) -> list[str]:
    """Delete the Jobs of a run's steps that have not ended, with their pods, and return their names. Ended ones stay to be looked at."""
    jobs = api.batch_api.list_namespaced_job(namespace, label_selector=f"{STEPS},dagster/run-id={run_id}").items
    names = [job.metadata.name for job in jobs if not (job.status.succeeded or job.status.completion_time or _failed(job))]
    for name in names:
        api.delete_job(name, namespace)
    return names


def _failed(job: Any) -> bool:
    return any(c.type == "Failed" and c.status == "True" for c in job.status.conditions or ())


def ended_run_sensors() -> list[dg.SensorDefinition]:
    """Return what deletes the pods of runs that failed or were cancelled."""
    return [_after(status) for status in (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)]


def _after(status: dg.DagsterRunStatus) -> dg.SensorDefinition:
    @dg.run_status_sensor(
        name=f"pods_after_{status.value.lower()}", run_status=status, minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING,
        description="Deletes what still runs in the cluster for a run that has ended.")
    def pods(context: dg.RunStatusSensorContext) -> dg.SkipReason:
        from kb_platform.components.executors.step_pods import pod_step_handler

        handler = pod_step_handler(context.instance)
        names = delete_steps(handler.api, handler.namespace, context.dagster_run.run_id)
        return dg.SkipReason(f"deleted {', '.join(names)}" if names else "nothing was left")

    return pods
