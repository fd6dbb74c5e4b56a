"""The key `compute`: every key reaches the domain, a wrong one is named with its line, the deployment's own stand behind."""

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from kb_platform.components.knowledge_base.compute_schema import ComputeModel, RunPodsModel, deployment_compute, to_compute
from kb_platform.components.knowledge_base.validate import read_knowledge_base
from kb_platform.knowledge.compute import Compute, Gpu, PodCompute
from kb_platform.knowledge.errors import ConfigError


def write(folder: Path, compute: object) -> Path:
    body = {"name": "t", "start_date": "2026-01-01", "sources": [{"name": "docs", "kind": "files", "path": "documents"}], "compute": compute}
    path = folder / "defs.yaml"
    path.write_text(yaml.safe_dump({"type": "kb_platform.components.KnowledgeBase", "attributes": body}, sort_keys=False))
    return path


def test_defaults_are_the_domains() -> None:
    assert to_compute(ComputeModel(), {}) == Compute()


def test_yaml_knows_every_field() -> None:
    pod = {field.name for field in fields(PodCompute)}
    assert set(RunPodsModel.model_fields) == pod - {"gpu"}
    assert set(ComputeModel.model_fields) == pod | {field.name for field in fields(Compute)} - {"embed"}


def test_a_knowledge_base_has_the_last_word_key_by_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    default = tmp_path / "compute.yaml"
    default.write_text("image: a:1\nenv: {A: '1'}\ngpu: {resource: nvidia.com/mig-1g.10gb}\nrun_pods: {cpu: '2', queue: day}\nredo: 5\n")
    monkeypatch.setenv("KB_COMPUTE", str(default))
    found = read_knowledge_base(write(tmp_path, {"image": "b:2", "env": {"B": "2"}, "gpu": {"count": 4}, "run_pods": {"memory": "8Gi"}})).compute
    assert (found.embed.image, found.embed.env, found.embed.gpu) == ("b:2", {"B": "2"}, Gpu(4, "nvidia.com/mig-1g.10gb"))
    assert (found.run_pods.cpu, found.run_pods.memory, found.run_pods.queue, found.run_pods.image) == ("2", "8Gi", "day", None)
    assert (found.redo, found.max_parallel) == (5, 8)


@pytest.mark.parametrize(
    ("compute", "sentence"),
    [
        ({"gpus": 1}, "compute.gpus: unknown field"),
        ({"gpu": {"count": "many"}}, "compute.gpu.count: found 'many'; expected a whole number"),
        ({"gpu": {"count": -1}}, "compute.gpu.count: found -1; expected at least 0"),
        ({"gpu": {"resource": "gpu"}}, "compute.gpu.resource: found 'gpu'; expected what matches"),
        ({"gpu": {"requests": 1}}, "compute.gpu.requests: unknown field"),
        ({"run_pods": {"gpu": {"count": 1}}}, "compute.run_pods.gpu: unknown field"),
        ({"ttl_seconds": 60}, "compute.ttl_seconds: found 60; expected at least 3600"),
        ({"active_deadline_seconds": 1}, "compute.active_deadline_seconds: found 1; expected at least"),
        ({"cpu": "four"}, "compute.cpu: found 'four'; expected what matches"),
        ({"memory": "16GB"}, "compute.memory: found '16GB'; expected what matches"),
        ({"tolerations": [{"key": "a", "efect": "NoSchedule"}]}, "compute.tolerations.0.efect: unknown field"),
        ({"tolerations": [{"key": "a", "value": "b"}]}, "compute.tolerations.0: a toleration has a value where"),
        ({"tolerations": [{"operator": "Equal", "value": "b"}]}, "compute.tolerations.0: a toleration without a key"),
        ({"volumes": [{"name": "a", "pvc": {}}]}, "compute.volumes: found {'name': 'a', 'pvc': {}}; expected a name and one of"),
        ({"volumes": [{"name": "a", "emptyDir": "x"}]}, "compute.volumes: a: found 'x'; expected the fields of a emptyDir"),
        ({"env": {"A B": "1"}}, "compute.env: 'A B' is no name of a variable"),
        ({"labels": {"a": "b c"}}, "compute.labels: a: 'b c' is no label of Kubernetes"),
        ({"queue": "Day Queue"}, "compute.queue: found 'Day Queue'; expected what matches"),
        ({"redo": 99}, "compute.redo: found 99; expected at most 10"),
    ],
)
def test_what_cannot_be_meant_is_named_with_its_line(tmp_path: Path, compute: object, sentence: str) -> None:
    path = write(tmp_path, compute)
    with pytest.raises(ConfigError) as caught:
        read_knowledge_base(path)
    line, _, told = str(caught.value).removeprefix(f"{path}:").partition(": ")
    assert told.startswith(sentence)
    assert int(line) >= 10
    assert "\n" not in str(caught.value)


def test_a_mount_needs_its_volume_here_or_in_the_deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = {"volume_mounts": [{"name": "models", "mountPath": "/models"}]}
    with pytest.raises(ConfigError, match=r"compute.volume_mounts: no volume is called models"):
        read_knowledge_base(write(tmp_path, mounts))
    monkeypatch.setenv("KB_COMPUTE", "volumes: [{name: models, emptyDir: {}}]")
    assert read_knowledge_base(write(tmp_path, mounts)).compute.embed.volumes[0]["name"] == "models"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("/nowhere/compute.yaml", "KB_COMPUTE: cannot be read"),
        ("{gpu: [}", "KB_COMPUTE: cannot be read"),
        ("{gpu: !!int ''}", "KB_COMPUTE:1: '' cannot be read as int"),
        ("{gpu: {count: none}}", "KB_COMPUTE: gpu.count: expected a whole number"),
        ("{gpuu: {}}", "KB_COMPUTE: gpuu: is not known"),
        ("- a\n- b", "KB_COMPUTE: found ['a', 'b']"),
    ],
)
def test_a_wrong_deployment_default_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        deployment_compute(text)
    assert str(caught.value).startswith(sentence)
