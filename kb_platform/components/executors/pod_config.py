"""From what a knowledge base asks of a cluster to what dagster-k8s puts into Jobs and pods. Pure; Kubernetes' client is not needed.

Tags of a job reach the pods of its runs alone; tags of an op reach the pods of its step, in back-fills and runs by hand too. So both
carry what they are about.
"""

from collections.abc import Mapping
from typing import Any

from kb_platform.knowledge.compute import PodCompute

TAG = "dagster-k8s/config"
KNOWLEDGE_BASE_LABEL = "kb-platform/knowledge-base"
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
SCRATCH = {"name": "kb-tmp", "emptyDir": {}}  # the one place that can be written: the root file system cannot
SCRATCH_MOUNT = {"name": "kb-tmp", "mountPath": "/tmp"}  # noqa: S108  the container's own
CONTAINER_SECURITY = {
    "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "runAsNonRoot": True, "capabilities": {"drop": ["ALL"]},
}
POD_SECURITY = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def pod_config(pod: PodCompute, knowledge_base: str) -> Mapping[str, Any]:
    """Return the value of the tag `dagster-k8s/config`, by Kubernetes' own names of fields."""
    labels = {KNOWLEDGE_BASE_LABEL: knowledge_base, **pod.labels}
    return {
        "container_config": _container(pod),
        "pod_spec_config": _pod_spec(pod),
        "pod_template_spec_metadata": {"labels": labels},
        "job_metadata": {"labels": labels | ({QUEUE_LABEL: pod.queue} if pod.queue else {})},
        "job_spec_config": _given(
            backoffLimit=0, ttlSecondsAfterFinished=pod.ttl_seconds, activeDeadlineSeconds=pod.active_deadline_seconds),
    }


def _container(pod: PodCompute) -> Mapping[str, Any]:
    gpu = {pod.gpu.resource: str(pod.gpu.count)} if pod.gpu.count else {}
    env = {"KB_STEPS": "kubernetes", **({"KB_EMBEDDER": "cuda"} if gpu else {}), **pod.env}
    return _given(
        image=pod.image, imagePullPolicy=pod.image_pull_policy, securityContext=CONTAINER_SECURITY,
        resources={"requests": {"cpu": pod.cpu, "memory": pod.memory, **gpu}, "limits": {"memory": pod.memory, **gpu}},
        env=[{"name": name, "value": value} for name, value in env.items()], volumeMounts=[SCRATCH_MOUNT, *pod.volume_mounts],
    )


def _pod_spec(pod: PodCompute) -> Mapping[str, Any]:
    return _given(
        nodeSelector=dict(pod.node_selector) or None, tolerations=[dict(t) for t in pod.tolerations] or None,
        runtimeClassName=pod.runtime_class, priorityClassName=pod.priority_class, serviceAccountName=pod.service_account,
        securityContext=POD_SECURITY, volumes=[SCRATCH, *pod.volumes],
        hostNetwork=pod.host_network or None, dnsPolicy="ClusterFirstWithHostNet" if pod.host_network else None,
    )


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
