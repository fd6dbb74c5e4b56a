"""The Jobs that dagster-k8s would send to a cluster, constructed without one, and what must hold of each of their pods."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import kubernetes
import kubernetes_validate
import yaml
from dagster_k8s import K8sRunLauncher
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.job import UserDefinedDagsterK8sConfig, construct_dagster_k8s_job, get_user_defined_k8s_config

VERSIONS = ("1.29", "1.37")
KUBECONFIG = {
    "apiVersion": "v1", "kind": "Config", "current-context": "here",
    "clusters": [{"name": "here", "cluster": {"server": "http://127.0.0.1:9"}}], "users": [{"name": "me", "user": {}}],
    "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
}


def run_launcher(folder: Path, **more: Any) -> K8sRunLauncher:
    """Return the launcher of an instance in a cluster, for rendering alone."""
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(KUBECONFIG))
    return K8sRunLauncher(
        dagster_home="/opt/dagster/dagster_home", instance_config_map="dagster-instance", postgres_password_secret="dagster-postgresql-secret",
        job_image="registry.example/kb-platform:1", service_account_name="dagster", load_incluster_config=False,
        kubeconfig_file=str(kubeconfig), job_namespace="dagster", **more)


def rendered(launcher: K8sRunLauncher, tags: Mapping[str, str], component: str) -> dict[str, Any]:
    """Return the Job of a step or a run with these tags, merged as dagster-k8s merges them."""
    context = K8sContainerContext(run_k8s_config=UserDefinedDagsterK8sConfig.from_dict(dict(launcher.run_k8s_config)))
    context = context.merge(K8sContainerContext(run_k8s_config=get_user_defined_k8s_config(tags)))
    job = construct_dagster_k8s_job(
        context.get_k8s_job_config(job_image=None, run_launcher=launcher), args=["dagster", "api", "execute_step"], job_name="dagster-step-a",
        pod_name="dagster-step-a", component=component, user_defined_k8s_config=context.run_k8s_config)
    return kubernetes.client.ApiClient().sanitize_for_serialization(job)


def step_tags(job: dg.JobDefinition) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield name and tags of every op of a job, those inside graphs too."""

    def walk(graph: dg.GraphDefinition) -> Iterator[tuple[str, Mapping[str, str]]]:
        for node in graph.nodes:
            if isinstance(node.definition, dg.GraphDefinition):
                yield from walk(node.definition)
            else:
                yield node.name, node.definition.tags

    return walk(job.graph)


def pod_of(job: Mapping[str, Any]) -> Mapping[str, Any]:
    return job["spec"]["template"]["spec"]


def container_of(job: Mapping[str, Any]) -> Mapping[str, Any]:
    (container,) = pod_of(job)["containers"]
    return container


def devices(job: Mapping[str, Any]) -> dict[str, str]:
    """Return the extended resources that a pod gets: by name, with their number."""
    return {name: amount for name, amount in container_of(job)["resources"]["limits"].items() if "/" in name}


def assert_holds(job: dict[str, Any]) -> None:
    """Valid for both versions of Kubernetes; a GPU asked for is a GPU limited to; everything set that policies ask for."""
    for version in VERSIONS:
        kubernetes_validate.validate(job, version, strict=True)
    pod, container = pod_of(job), container_of(job)
    requests, limits = container["resources"]["requests"], container["resources"]["limits"]
    assert {n: a for n, a in requests.items() if "/" in n} == {n: a for n, a in limits.items() if "/" in n}
    assert all(isinstance(amount, str) for amount in (*requests.values(), *limits.values()))
    assert {"cpu", "memory"} <= requests.keys()
    assert requests["memory"] == limits["memory"]
    assert container["imagePullPolicy"] in ("IfNotPresent", "Always", "Never")
    assert container["image"]
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "runAsNonRoot": True,
                                            "capabilities": {"drop": ["ALL"]}}
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert (job["spec"]["backoffLimit"], pod["restartPolicy"]) == (0, "Never")  # starting again is the executor's
    assert job["spec"]["ttlSecondsAfterFinished"] >= 3600
    volumes = [volume["name"] for volume in pod["volumes"]]
    assert len(set(volumes)) == len(volumes)
    assert {mount["name"] for mount in container["volumeMounts"]} <= set(volumes)
    paths = [mount["mountPath"] for mount in container["volumeMounts"]]
    assert len(set(paths)) == len(paths)
    assert "/tmp" in paths
