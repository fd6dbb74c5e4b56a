"""The pods that Dagster makes where the chart is installed: what the chart gives them, put together with what their steps ask for."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import kubernetes
import kubernetes_validate
import pytest
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.job import UserDefinedDagsterK8sConfig, construct_dagster_k8s_job
from kubernetes.utils.quantity import parse_quantity

from kb_platform.components.executors.pod_config import pod_config
from kb_platform.components.knowledge_base.compute_schema import ComputeModel, deployment_compute, to_compute
from kb_platform.knowledge.compute import PodCompute
from kb_platform_tests.compute.rendered import VERSIONS, container_of, devices, pod_of, run_launcher
from kb_platform_tests.helm.charts import ALL_ON, environment, objects, one

IN_PODS: dict[str, Any] = {"runs": {"steps": "kubernetes"}}
GPUS: dict[str, Any] = {"runs": {"steps": "kubernetes"}, "gpu": {"enabled": True}, "compute": {"cpu": "16", "memory": "64Gi"}}
VALUES = {"defaults": {}, "in_pods": IN_PODS, "gpus": GPUS, "everything": ALL_ON, "host_network": {"hostNetwork": True, **IN_PODS}}


def made(values: Mapping[str, Any], folder: Path, pod: PodCompute | None) -> dict[str, Any]:
    """Return the Job of a run or a step; `pod` is what it asks for, None for a run that no job of ours describes."""
    code = one(objects(dict(values)), "Deployment", "-code")["spec"]["template"]["spec"]["containers"][0]
    context = K8sContainerContext.create_from_config(json.loads(environment(code)["DAGSTER_CONTAINER_CONTEXT"]))
    if pod:
        asked = UserDefinedDagsterK8sConfig.from_dict(dict(pod_config(pod, "handbook")))
        context = context.merge(K8sContainerContext(run_k8s_config=asked))
    config = context.get_k8s_job_config(job_image="kb:1", run_launcher=run_launcher(folder))
    job = construct_dagster_k8s_job(config, ["dagster"], "run-1", user_defined_k8s_config=context.run_k8s_config)
    described: Any = kubernetes.client.ApiClient().sanitize_for_serialization(job)
    return described


def computes(values: Mapping[str, Any], folder: Path) -> dict[str, PodCompute | None]:
    """Return what runs and steps ask for, as the code location reads it from the chart's own file."""
    found = objects(dict(values))
    if not any(o["kind"] == "ConfigMap" and o["metadata"]["name"].endswith("-compute") for o in found):
        return {"by_hand": None}
    text = one(found, "ConfigMap", "-compute")["data"]["compute.yaml"]
    path = folder / f"{sha256(text.encode()).hexdigest()}.yaml"  # a file is read once a process
    path.write_text(text)
    compute = to_compute(ComputeModel(), deployment_compute(str(path)))
    return {"by_hand": None, "run": compute.run_pods, "embed": compute.embed}


@pytest.mark.parametrize("name", VALUES)
def test_kubernetes_takes_the_pods_of_runs_and_steps(name: str, tmp_path: Path) -> None:
    values = VALUES[name]
    for pod in computes(values, tmp_path).values():
        job = made(values, tmp_path, pod)
        for version in VERSIONS:
            kubernetes_validate.validate(job, version, strict=True)
        spec, container = pod_of(job), container_of(job)
        paths = [mount["mountPath"] for mount in container["volumeMounts"]]
        assert len(paths) == len(set(paths))
        volumes = [volume["name"] for volume in spec["volumes"]]
        assert len(volumes) == len(set(volumes))
        assert {mount["name"] for mount in container["volumeMounts"]} <= set(volumes)
        requests, limits = container["resources"]["requests"], container["resources"]["limits"]
        assert all(parse_quantity(requests[each]) <= parse_quantity(limit) for each, limit in limits.items())
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert spec["securityContext"]["runAsUser"] == 10001
        assert bool(spec.get("hostNetwork")) == bool(values.get("hostNetwork"))


def test_runs_may_launch_steps_and_steps_may_do_nothing(tmp_path: Path) -> None:
    accounts = {kind: pod_of(made(GPUS, tmp_path, pod))["serviceAccountName"] for kind, pod in computes(GPUS, tmp_path).items()}
    assert accounts == {"by_hand": "kb-kb-platform-run", "run": "kb-kb-platform-run", "embed": "kb-kb-platform-step"}


def test_only_embedding_gets_gpus_by_the_charts_one_number(tmp_path: Path) -> None:
    jobs = {kind: made(ALL_ON, tmp_path, pod) for kind, pod in computes(ALL_ON, tmp_path).items()}
    assert {kind: devices(job) for kind, job in jobs.items()} == {"by_hand": {}, "run": {}, "embed": {"nvidia.com/mig-1g.10gb": "2"}}
    assert container_of(jobs["embed"])["resources"]["requests"]["nvidia.com/mig-1g.10gb"] == "2"
    assert container_of(jobs["embed"])["image"] == "registry.example.org/kb/kb-platform-gpu:0.1.0-cuda"
    assert pod_of(jobs["embed"])["priorityClassName"] == one(objects(ALL_ON), "PriorityClass", "-gpu")["metadata"]["name"]
    assert all(devices(made(IN_PODS, tmp_path, pod)) == {} for pod in computes(IN_PODS, tmp_path).values())


@pytest.mark.parametrize(("compute", "folder"), [
    ({}, "/var/lib/kb/huggingface"),
    ({"env": {"HF_HOME": "/cache"}, "volumes": [{"name": "cache", "emptyDir": {}}], "volume_mounts": [{"name": "cache", "mountPath": "/cache"}]}, "/cache"),
    ({"volumes": [{"name": "m", "emptyDir": {}}], "volume_mounts": [{"name": "m", "mountPath": "/models"}]}, "/models"),  # the image's own
])
def test_models_of_the_hub_are_kept_where_a_step_can_write(compute: dict[str, Any], folder: str, tmp_path: Path) -> None:
    values = {**GPUS, "compute": compute}
    container = container_of(made(values, tmp_path, computes(values, tmp_path)["embed"]))
    assert environment(dict(container)).get("HF_HOME", "/models") == folder
    assert any(folder.startswith(mount["mountPath"]) for mount in container["volumeMounts"] if not mount.get("readOnly"))


def test_what_runs_say_of_their_pods_is_what_they_get(tmp_path: Path) -> None:
    values = {"runs": {"steps": "kubernetes", "resources": {"requests": {"cpu": "3", "memory": "5Gi"}, "limits": {"cpu": "6", "memory": "5Gi"}}}}
    for kind in ("by_hand", "run"):
        resources = container_of(made(values, tmp_path, computes(values, tmp_path)[kind]))["resources"]
        assert resources["requests"] == {"cpu": "3", "memory": "5Gi"}, kind
        assert resources["limits"] == {"memory": "5Gi"}, kind
