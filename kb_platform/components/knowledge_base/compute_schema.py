"""The key `compute` of defs.yaml: what the pods of the steps ask of a cluster. KB_COMPUTE has the deployment's own defaults.

The keys of `compute` are about the pods that embed; `run_pods` has the same ones, without `gpu`, for all other steps.
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from kb_platform.components.knowledge_base.yaml_model import Strict, described
from kb_platform.knowledge.bounded_yaml import Loader, built, refuse_overgrown
from kb_platform.knowledge.compute import NVIDIA, Compute, Gpu, PodCompute
from kb_platform.knowledge.errors import ConfigError
from kb_platform.knowledge.wrong_values import in_words

DEFAULT = Compute()
QUANTITY = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"
DNS_NAME = r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"
RESOURCE = r"^[a-z0-9][-a-z0-9.]*/[A-Za-z0-9][-A-Za-z0-9._]*$"
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9._]{0,61}[A-Za-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9._]{0,61}[A-Za-z0-9])?)?")
VOLUME_KINDS = ("configMap", "csi", "emptyDir", "ephemeral", "hostPath", "image", "nfs", "persistentVolumeClaim", "projected", "secret")

Quantity = Annotated[str, Field(pattern=QUANTITY)]


class GpuModel(Strict):
    """Devices of one pod. Both the request and the limit are made from `count`."""

    count: Annotated[int, Field(ge=0, le=64), described("Devices of one pod; 0 embeds on processors.")] = Gpu.count
    resource: Annotated[
        str, Field(pattern=RESOURCE), described(f"The resource that the device plugin offers: {NVIDIA}, nvidia.com/mig-1g.10gb.")
    ] = Gpu.resource


class TolerationModel(Strict):
    """A taint that the pod may run in spite of."""

    key: Annotated[str | None, Field(pattern=LABEL_KEY.pattern), described("The taint's key; left out: every taint.")] = None
    operator: Annotated[Literal["Exists", "Equal"], described("Exists: whatever the taint's value is.")] = "Exists"
    value: Annotated[str | None, described("The taint's value, for Equal.")] = None
    effect: Annotated[
        Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None, described("The taint's effect; left out: every one.")
    ] = None
    tolerationSeconds: Annotated[int | None, Field(ge=0), described("For NoExecute: how long it may stay.")] = None

    @model_validator(mode="after")
    def _fits_together(self) -> "TolerationModel":
        if (self.operator == "Equal") != (self.value is not None):
            raise ValueError("a toleration has a value where its operator is Equal, and only there")
        if self.key is None and self.operator == "Equal":
            raise ValueError("a toleration without a key is for every taint: its operator is Exists")
        return self


class VolumeMountModel(Strict):
    """Where the pod sees a volume."""

    name: Annotated[str, Field(pattern=DNS_NAME), described("The volume's name.")]
    mountPath: Annotated[str, Field(pattern="^/"), described("The folder in the container.")]
    subPath: Annotated[str | None, described("A folder of the volume; left out: its root.")] = None
    readOnly: Annotated[bool, described("Nothing can be written there.")] = False


class RunPodsModel(Strict):
    """The pods of runs, and of steps that do not embed."""

    image: Annotated[str | None, Field(min_length=1), described("Container image; left out: the deployment's.")] = None
    image_pull_policy: Annotated[
        Literal["IfNotPresent", "Always", "Never"], described("When the node asks the registry for the image.")
    ] = "IfNotPresent"
    cpu: Annotated[Quantity, described("Cores that a pod asks for.")] = DEFAULT.run_pods.cpu
    memory: Annotated[Quantity, described("Memory that a pod asks for, and its limit.")] = DEFAULT.run_pods.memory
    node_selector: Annotated[Mapping[str, str], described("Labels that a node must have.")] = {}
    tolerations: Annotated[list[TolerationModel], described("Taints of nodes that a pod may run on in spite of them.")] = []
    runtime_class: Annotated[str | None, Field(pattern=DNS_NAME), described("RuntimeClass, e.g. nvidia.")] = None
    priority_class: Annotated[str | None, Field(pattern=DNS_NAME), described("PriorityClass.")] = None
    service_account: Annotated[str | None, Field(pattern=DNS_NAME), described("Left out: the run launcher's.")] = None
    active_deadline_seconds: Annotated[
        int | None, Field(ge=60), described("A pod that has not ended, or found no node, so long after its creation has failed.")
    ] = DEFAULT.run_pods.active_deadline_seconds
    ttl_seconds: Annotated[
        int, Field(ge=3600), described("How long an ended pod stays to be looked at.")
    ] = DEFAULT.run_pods.ttl_seconds
    queue: Annotated[str | None, Field(pattern=DNS_NAME), described("Kueue's LocalQueue, where Kueue is installed.")] = None
    env: Annotated[Mapping[str, str], described("Variables of the environment. No secrets: they come from the run launcher.")] = {}
    host_network: Annotated[bool, described("Use the node's network: for clusters whose pods cannot reach the API.")] = False
    volumes: Annotated[
        list[Mapping[str, Any]], described("Volumes as in a Kubernetes pod: {name: models, persistentVolumeClaim: {claimName: models}}.")
    ] = []
    volume_mounts: Annotated[list[VolumeMountModel], described("Where the pods see the volumes.")] = []
    labels: Annotated[Mapping[str, str], described("Labels of Jobs and pods.")] = {}

    @field_validator("volumes")
    @classmethod
    def _are_volumes(cls, volumes: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        for volume in volumes:
            kinds = [key for key in volume if key != "name"]
            if not re.fullmatch(DNS_NAME, str(volume.get("name", ""))) or len(kinds) != 1 or kinds[0] not in VOLUME_KINDS:
                raise ValueError(f"found {dict(volume)}; expected a name and one of {', '.join(VOLUME_KINDS)}")
            if not isinstance(volume[kinds[0]], Mapping):
                raise ValueError(f"{volume['name']}: found {volume[kinds[0]]!r}; expected the fields of a {kinds[0]}")  # noqa: TRY004  pydantic's
        return volumes

    @field_validator("env")
    @classmethod
    def _are_variables(cls, env: Mapping[str, str]) -> Mapping[str, str]:
        if strange := [name for name in env if not VARIABLE.fullmatch(name)]:
            raise ValueError(f"{strange[0]!r} is no name of a variable")
        return env

    @field_validator("node_selector", "labels")
    @classmethod
    def _are_labels(cls, labels: Mapping[str, str]) -> Mapping[str, str]:
        for key, value in labels.items():
            if not LABEL_KEY.fullmatch(key) or not LABEL_VALUE.fullmatch(value):
                raise ValueError(f"{key}: {value!r} is no label of Kubernetes: letters, digits, '-', '_', '.', at most 63")
        return labels


class ComputeModel(RunPodsModel):
    """What the pods that embed ask of a cluster, and under `run_pods` those of everything else."""

    cpu: Annotated[Quantity, described("Cores that a pod asks for.")] = DEFAULT.embed.cpu
    memory: Annotated[Quantity, described("Memory that a pod asks for, and its limit.")] = DEFAULT.embed.memory
    active_deadline_seconds: Annotated[
        int | None, Field(ge=60), described("A pod that has not ended, or found no node, so long after its creation has failed.")
    ] = DEFAULT.embed.active_deadline_seconds
    gpu: Annotated[GpuModel, described("Devices of one pod.")] = GpuModel()
    shard_texts: Annotated[
        int, Field(ge=1000), described("Texts that one pod embeds; a delivery of more is embedded by several side by side.")
    ] = DEFAULT.shard_texts
    max_parallel: Annotated[int, Field(ge=1, le=1000), described("Pods of one run at a time.")] = DEFAULT.max_parallel
    redo: Annotated[
        int, Field(ge=0, le=10), described("How often a step is started again whose pod died under it; 0: never.")
    ] = DEFAULT.redo
    run_pods: Annotated[RunPodsModel, described("The same for the pods of runs, and of steps that do not embed.")] = RunPodsModel()


def to_compute(model: ComputeModel, deployment: Mapping[str, Any]) -> Compute:
    """Return the domain's value: what the knowledge base says, over what the deployment says, over the defaults.

    A key of the knowledge base replaces the deployment's whole, except that `gpu` and `run_pods` are merged key by key.
    """
    own = model.model_dump(exclude_unset=True)
    merged = dict(deployment) | own
    merged |= {block: dict(deployment.get(block, {})) | own[block] for block in ("gpu", "run_pods") if block in own}
    values = ComputeModel.model_validate(merged).model_dump(exclude_none=True)
    run_pods, gpu = values.pop("run_pods"), values.pop("gpu")
    whole = {name: values.pop(name) for name in ("shard_texts", "max_parallel", "redo")}
    return Compute(embed=_pod(values, "compute", Gpu(**gpu)), run_pods=_pod(run_pods, "compute.run_pods", Gpu(0)), **whole)


def _pod(values: Mapping[str, Any], where: str, gpu: Gpu) -> PodCompute:
    """Return a kind of pod; ConfigError where it mounts volumes that nobody declares: Kubernetes would refuse the pod."""
    frozen: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    pod = PodCompute(**frozen, gpu=gpu)
    known = {volume["name"] for volume in pod.volumes}
    if unknown := sorted({mount["name"] for mount in pod.volume_mounts} - known):
        raise ConfigError(f"no volume is called {', '.join(unknown)}", where=f"{where}.volume_mounts", expected=f"one of {sorted(known)}")
    return pod


@cache
def deployment_compute(text: str) -> Mapping[str, Any]:
    """Return what KB_COMPUTE says: a file, or YAML (and so JSON) itself.

    Raises:
        ConfigError: it cannot be read, or a key or value is wrong.
    """
    inline = not text or text.lstrip().startswith("{") or "\n" in text or ": " in text
    try:
        said = text if inline else Path(text).expanduser().read_text(encoding="utf-8")
        refuse_overgrown(said, "KB_COMPUTE")
        found = built(yaml.compose(said, Loader=Loader), "KB_COMPUTE") or {}
    except (OSError, ValueError, yaml.YAMLError, RuntimeError) as error:  # of these, expanduser raises the last
        raise ConfigError(f"cannot be read ({error})", where="KB_COMPUTE", expected="a YAML file, or YAML") from error
    if not isinstance(found, Mapping):
        raise ConfigError(f"found {found!r}", where="KB_COMPUTE", expected="the keys of `compute`; docs/compute.md has them")
    try:
        return ComputeModel.model_validate(found).model_dump(exclude_unset=True)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{'.'.join(map(str, first['loc']))}: {in_words(first)}", where="KB_COMPUTE",
                          expected="the keys of `compute`; docs/yaml-reference.md has them") from None

