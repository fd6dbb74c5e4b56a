"""Steps as Kubernetes Jobs: dagster-k8s starts and ends them; here is what a look at one of them says.

Objects of Kubernetes are `Any`: its client's models say that each of their fields may be missing.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg
from dagster._core.events import DagsterEvent
from dagster._core.executor.step_delegating import StepHandlerContext
from dagster_k8s import K8sRunLauncher
from dagster_k8s.client import DagsterKubernetesClient, k8s_api_retry
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.executor import K8sStepHandler
from dagster_k8s.job import UserDefinedDagsterK8sConfig
from kubernetes.client import ApiException

from kb_platform.components.executors.watching import Sighting, WatchingStepHandler
from kb_platform.knowledge.errors import ConfigError

RUNS = "app.kubernetes.io/component=run_worker"
DEADLINE = "DeadlineExceeded"
# What a pod runs, with the step's own command as arguments. A pod that is evicted, preempted or drained hears SIGTERM first. Dagster's step
# would say that it has failed, which is the end of it: so it hears nothing, and is started again.
UNTOLD = """import signal, subprocess, sys
step = subprocess.Popen(sys.argv[1:])
signal.signal(signal.SIGTERM, lambda *_: step.kill())
code = step.wait()
sys.exit(code if code >= 0 else 128 - code)"""
ON_ITS_WAY = {"ContainerCreating", "PodInitializing"}


class PodStepHandler(WatchingStepHandler, K8sStepHandler):
    """Starts each step in a pod of its own, and tells a pod that died from one that was never scheduled."""

    def __init__(self, *args: Any, namespace: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.namespace = namespace
        self._run = ""
        self._waited: dict[str, str] = {}
        self._done: set[str] = set()

    @property
    def api(self) -> DagsterKubernetesClient:
        """Return dagster-k8s' client."""
        return self._api_client

    def launch_step(self, step_handler_context: StepHandlerContext) -> Iterator[DagsterEvent]:
        """Start a step's Job, which goes when the pod of its run goes."""
        self._run = step_handler_context.execute_step_args.run_id
        yield from super().launch_step(step_handler_context)

    def _detect_current_name_and_uid(self) -> tuple[str, str] | None:
        """Return the run's own pod: by its labels, as its HOSTNAME is the node's where it is in the node's network."""
        pods = self.api.core_api.list_namespaced_pod(self.namespace, label_selector=f"{RUNS},dagster/run-id={self._run}").items
        return next(((pod.metadata.name, pod.metadata.uid) for pod in pods if pod.status.phase == "Running"), None)

    def look(self, context: StepHandlerContext) -> Sighting:
        """Return how the step's Job and its pods are."""
        name = self._get_k8s_step_job_name(context)
        job = self._job(name)
        if job is None:
            return Sighting(gone=f"its Job {name} was deleted")
        pods = self.api.get_pods_in_job(name, self.namespace)
        if failed := next((c for c in job.status.conditions or () if c.type == "Failed" and c.status == "True"), None):
            return self._failed(job, pods, failed)
        if job.status.succeeded:  # one look later, so that the last events have arrived
            seen, self._done = name in self._done, self._done | {name}
            return Sighting(gone=f"its pod {name} ended without a word about the step: another pod had begun it" if seen else None)
        self._waited[name] = waits = what_it_waits_for(job, pods)
        return Sighting(waits=waits)

    def _job(self, name: str) -> Any:
        def read() -> Any:
            try:
                return self.api.batch_api.read_namespaced_job(name, namespace=self.namespace)
            except ApiException as error:
                if error.status == 404:
                    return None
                raise

        return k8s_api_retry(read, max_retries=3, timeout=5)

    def _failed(self, job: Any, pods: Sequence[Any], failed: Any) -> Sighting:
        name, seconds = job.metadata.name, job.spec.active_deadline_seconds
        if failed.reason != DEADLINE:
            return Sighting(gone=f"its pod {name} died: {how_it_ended(pods)}")
        if waited := self._waited.get(name):
            return Sighting(gone=f"no node took its pod within {seconds} s, which asks for {asked_for(job)}: {waited}", final=True)
        return Sighting(gone=f"it had not ended after {seconds} s, its active_deadline_seconds", final=True)


def what_it_waits_for(job: Any, pods: Sequence[Any]) -> str:
    """Return why none of a Job's containers runs yet, in the cluster's words; empty where one runs, or is about to."""
    if getattr(job.spec, "suspend", None):
        return "its Job is suspended, until its queue admits it"
    for pod in pods:
        if pod.status.phase != "Pending":
            return ""
        for condition in pod.status.conditions or ():
            if condition.type == "PodScheduled" and condition.status == "False":
                return condition.message or condition.reason or "not scheduled"
        waiting = [status.state.waiting for status in pod.status.container_statuses or () if status.state and status.state.waiting]
        for state in waiting:
            if state.reason not in ON_ITS_WAY:
                return f"{state.reason}: {state.message}" if state.message else state.reason
    return ""


def how_it_ended(pods: Sequence[Any]) -> str:
    """Return how the pods of a failed Job ended: OOMKilled, an exit code, an eviction; or that they are gone."""
    said = []
    for pod in pods:
        ends = [s.state.terminated for s in pod.status.container_statuses or () if s.state and s.state.terminated]
        said += [f"{end.reason or 'ended'}, exit code {end.exit_code}" for end in ends]
        said += [": ".join(filter(None, (pod.status.reason, pod.status.message)))] if pod.status.reason else []
    return "; ".join(said) or "it was deleted"


def asked_for(job: Any) -> str:
    """Return a Job's requests: cpu 4, memory 16Gi, nvidia.com/gpu 1."""
    resources = job.spec.template.spec.containers[0].resources
    return ", ".join(f"{name} {amount}" for name, amount in ((resources and resources.requests) or {}).items()) or "nothing"


def pod_step_handler(instance: dg.DagsterInstance) -> PodStepHandler:
    """Return the handler for the cluster and the namespace in which the instance launches its runs.

    Raises:
        ConfigError: the instance launches its runs elsewhere.
    """
    launcher = instance.run_launcher
    if not isinstance(launcher, K8sRunLauncher):
        raise ConfigError(f"the run launcher is {type(launcher).__name__}", where="KB_STEPS=kubernetes", expected="dagster-k8s' K8sRunLauncher",
                          action="set run_launcher as helm/values/dagster.yaml does, or unset KB_STEPS")
    untold = UserDefinedDagsterK8sConfig.from_dict({"container_config": {"command": ["python", "-c", UNTOLD]}})
    return PodStepHandler(
        image=None, container_context=K8sContainerContext(run_k8s_config=untold), load_incluster_config=launcher.load_incluster_config,
        kubeconfig_file=launcher.kubeconfig_file, enable_owner_references=True, namespace=launcher.job_namespace)
