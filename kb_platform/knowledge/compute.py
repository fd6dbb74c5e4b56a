"""What the pods of a knowledge base's steps ask of a cluster. Only read where steps run in pods (KB_STEPS=kubernetes)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

NVIDIA = "nvidia.com/gpu"


@dataclass(frozen=True)
class Gpu:
    """Devices of one pod: request and limit are both made from `count`, so that they cannot differ. 0 embeds on processors.

    `resource` is the name that the cluster's device plugin offers: a whole device, or a part of one (nvidia.com/mig-1g.10gb).
    """

    count: int = 1
    resource: str = NVIDIA


@dataclass(frozen=True)
class PodCompute:
    """One kind of pod. None and empty leave to the run launcher's configuration what it says.

    Attributes:
        image: a container image that holds this platform.
        image_pull_policy: IfNotPresent, Always or Never.
        cpu: cores that are asked for, a Kubernetes quantity.
        memory: bytes that are asked for, and the limit; a Kubernetes quantity.
        active_deadline_seconds: from its creation on; a pod that no node takes in this time has failed, too.
        ttl_seconds: how long an ended Job stays to be looked at.
        queue: Kueue's LocalQueue.
        volumes: as in a Kubernetes pod, by its field names; likewise `volume_mounts` and `tolerations`.
    """

    image: str | None = None
    image_pull_policy: str = "IfNotPresent"
    cpu: str = "1"
    memory: str = "2Gi"
    gpu: Gpu = Gpu(0)
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: Sequence[Mapping[str, Any]] = ()
    runtime_class: str | None = None
    priority_class: str | None = None
    service_account: str | None = None
    active_deadline_seconds: int | None = None
    ttl_seconds: int = 86400
    queue: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    host_network: bool = False
    volumes: Sequence[Mapping[str, Any]] = ()
    volume_mounts: Sequence[Mapping[str, Any]] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Compute:
    """The pods that embed, and those of everything else.

    Attributes:
        embed: the pods of the embeddings step.
        run_pods: the pods of runs, and of all other steps where they have pods of their own.
        shard_texts: texts without a vector that one pod embeds; more are split into shards, which pods embed side by side.
        max_parallel: pods of one run at a time.
        redo: how often a step is started again whose pod died under it.
    """

    embed: PodCompute = PodCompute(cpu="4", memory="16Gi", gpu=Gpu(), active_deadline_seconds=21600)
    run_pods: PodCompute = PodCompute()
    shard_texts: int = 50_000
    max_parallel: int = 8
    redo: int = 2
