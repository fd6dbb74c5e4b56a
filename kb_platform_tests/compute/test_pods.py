"""Every pod that a knowledge base's runs and steps would get, constructed without a cluster and held to Kubernetes' own schemas."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster_k8s import K8sRunLauncher
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kb_platform.components.executors.pod_config import QUEUE_LABEL, TAG, pod_config
from kb_platform.components.knowledge_base.compute_schema import ComputeModel, to_compute
from kb_platform.definitions import defs
from kb_platform.knowledge.compute import PodCompute
from kb_platform_tests.compute.rendered import assert_holds, container_of, devices, pod_of, rendered, run_launcher, step_tags

ASKED = {
    "image": "registry.example/kb-gpu:1", "gpu": {"count": 2, "resource": "nvidia.com/mig-1g.10gb"}, "cpu": "8", "memory": "32Gi",
    "node_selector": {"accelerator": "nvidia"}, "tolerations": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}],
    "runtime_class": "nvidia", "priority_class": "kb-batch", "service_account": "kb-steps", "active_deadline_seconds": 7200,
    "ttl_seconds": 7200, "queue": "kb-gpu", "env": {"HF_HOME": "/models"}, "host_network": True, "labels": {"team": "knowledge"},
    "volumes": [{"name": "models", "persistentVolumeClaim": {"claimName": "models"}}],
    "volume_mounts": [{"name": "models", "mountPath": "/models", "readOnly": True}], "max_parallel": 4, "redo": 1,
    "run_pods": {"cpu": "500m", "memory": "1Gi", "image_pull_policy": "Always"},
}


@pytest.fixture
def launcher(tmp_path: Path) -> K8sRunLauncher:
    return run_launcher(tmp_path)


@pytest.fixture
def in_pods(monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.Definitions]:
    monkeypatch.setenv("KB_STEPS", "kubernetes")
    monkeypatch.setenv("KB_COMPUTE", json.dumps(ASKED))
    yield defs()


def jobs_of(found: dg.Definitions) -> dict[str, dg.JobDefinition]:
    named = [job.name for job in found.jobs or ()]
    jobs = {name: found.resolve_job_def(name) for name in named}
    return jobs | {"a run by hand, or a back-fill": found.resolve_implicit_global_asset_job_def()}


def test_every_step_of_every_job_gets_a_pod_that_holds(in_pods: dg.Definitions, launcher: K8sRunLauncher) -> None:
    steps = [(job, name, tags) for job, found in jobs_of(in_pods).items() for name, tags in step_tags(found)]
    assert len(steps) > 20
    for _job, name, tags in steps:
        made = rendered(launcher, tags, "step_worker")
        assert_holds(made)
        assert devices(made) == ({"nvidia.com/mig-1g.10gb": "2"} if name == "shard" else {}), name


def test_every_run_of_our_jobs_gets_a_pod_that_holds(in_pods: dg.Definitions, launcher: K8sRunLauncher) -> None:
    for name, job in jobs_of(in_pods).items():
        if name.startswith("a run by hand"):
            continue  # no tags: it is the launcher's own configuration
        made = rendered(launcher, job.tags, "run_worker")
        assert_holds(made)
        assert (devices(made), container_of(made)["imagePullPolicy"]) == ({}, "Always")


def test_what_embeds_has_its_own_executor_also_by_hand_and_nothing_else_leaves_its_run(in_pods: dg.Definitions) -> None:
    executors = {name.removeprefix("handbook_"): job.executor_def.name for name, job in jobs_of(in_pods).items()}
    assert executors == {"ingest": "in_process", "embed": "step_pods", "release": "in_process", "maintenance": "in_process",
                         "promote": "in_process", "a run by hand, or a back-fill": "step_pods"}


@pytest.mark.parametrize("steps", ["processes", "kubernetes"])
def test_several_sources_and_knowledge_bases_go_into_one_code_location(steps: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KB_STEPS", steps)
    monkeypatch.setenv("KB_DEFS", str(tmp_path))
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        sources = [{"name": source, "kind": "files", "path": "documents"} for source in ("a", "b")]
        body = {"name": name, "start_date": "2026-01-01", "sources": sources}
        (tmp_path / name / "defs.yaml").write_text(yaml.safe_dump({"type": "kb_platform.components.KnowledgeBase", "attributes": body}))
    names = {name for name, _tags in step_tags(jobs_of(defs())["one_embed"])}
    assert names == {"plan", "shard", "report"}  # of each source, in a graph of its own


def test_in_one_process_nothing_speaks_of_pods(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KB_COMPUTE", json.dumps(ASKED))
    for job in jobs_of(defs()).values():
        assert TAG not in job.tags
        assert not any(TAG in tags for _name, tags in step_tags(job))
        assert job.executor_def.name != "step_pods"


def test_all_that_is_asked_for_is_in_the_pod(in_pods: dg.Definitions, launcher: K8sRunLauncher) -> None:
    (tags,) = [tags for name, tags in step_tags(jobs_of(in_pods)["handbook_embed"]) if name == "shard"]
    job = rendered(launcher, tags, "step_worker")
    pod, container = pod_of(job), container_of(job)
    assert container["resources"] == {"requests": {"cpu": "8", "memory": "32Gi", "nvidia.com/mig-1g.10gb": "2"},
                                      "limits": {"memory": "32Gi", "nvidia.com/mig-1g.10gb": "2"}}
    assert (container["image"], pod["nodeSelector"], pod["runtimeClassName"]) == ("registry.example/kb-gpu:1", {"accelerator": "nvidia"}, "nvidia")
    assert pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert (pod["priorityClassName"], pod["serviceAccountName"], pod["hostNetwork"]) == ("kb-batch", "kb-steps", True)
    assert (job["spec"]["activeDeadlineSeconds"], job["spec"]["ttlSecondsAfterFinished"]) == (7200, 7200)
    assert job["metadata"]["labels"][QUEUE_LABEL] == "kb-gpu"
    assert job["spec"]["template"]["metadata"]["labels"]["team"] == "knowledge"
    assert {"name": "KB_EMBEDDER", "value": "cuda"} in container["env"]
    assert {"name": "HF_HOME", "value": "/models"} in container["env"]
    assert {"name": "models", "mountPath": "/models", "readOnly": True} in container["volumeMounts"]
    assert {"name": "models", "persistentVolumeClaim": {"claimName": "models"}} in pod["volumes"]


def test_what_launcher_and_step_both_mount_is_mounted_once(tmp_path: Path) -> None:
    scratch = {"pod_spec_config": {"volumes": [{"name": "kb-tmp", "emptyDir": {}}]},
               "container_config": {"volumeMounts": [{"name": "kb-tmp", "mountPath": "/tmp"}]}}
    assert_holds(rendered(run_launcher(tmp_path, run_k8s_config=scratch), {TAG: json.dumps(pod_config(PodCompute(), "made"))}, "step_worker"))


def test_without_a_gpu_the_processors_embed() -> None:
    embed = to_compute(ComputeModel.model_validate({"gpu": {"count": 0}}), {}).embed
    made = pod_config(embed, "made")["container_config"]
    assert "KB_EMBEDDER" not in {variable["name"] for variable in made["env"]}
    assert made["resources"]["limits"] == {"memory": "16Gi"}


WORD = st.from_regex(r"\A[a-z][a-z0-9]{0,8}\Z")
QUANTITY = st.from_regex(r"\A[1-9][0-9]{0,2}(m|Mi|Gi)?\Z")
RUN_PODS: dict[str, st.SearchStrategy[Any]] = {
    "image": WORD, "image_pull_policy": st.sampled_from(["IfNotPresent", "Always", "Never"]), "cpu": QUANTITY, "memory": QUANTITY,
    "node_selector": st.dictionaries(WORD, WORD, max_size=2), "labels": st.dictionaries(WORD, WORD, max_size=2),
    "tolerations": st.lists(st.one_of(
        st.fixed_dictionaries({"key": WORD}, optional={"effect": st.sampled_from(["NoSchedule", "NoExecute"])}),
        st.fixed_dictionaries({"key": WORD, "operator": st.just("Equal"), "value": WORD})), max_size=2),
    "runtime_class": WORD, "priority_class": WORD, "service_account": WORD, "active_deadline_seconds": st.integers(60, 10**6),
    "ttl_seconds": st.integers(3600, 10**6), "queue": WORD, "env": st.dictionaries(WORD, st.text(max_size=5), max_size=2),
    "host_network": st.booleans(), "volumes": st.lists(WORD, unique=True, max_size=2).map(
        lambda names: [{"name": f"v-{name}", "emptyDir": {}} for name in names]),
}
COMPUTE = st.fixed_dictionaries({}, optional=RUN_PODS | {
    "gpu": st.fixed_dictionaries({}, optional={"count": st.integers(0, 16), "resource": st.sampled_from(["nvidia.com/gpu", "amd.com/gpu"])}),
    "run_pods": st.fixed_dictionaries({}, optional=RUN_PODS),
})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(own=COMPUTE, deployment=COMPUTE)
def test_whatever_a_knowledge_base_and_its_deployment_ask_for_makes_pods_that_hold(
    own: dict[str, Any], deployment: dict[str, Any], launcher: K8sRunLauncher
) -> None:
    compute = to_compute(ComputeModel.model_validate(own), deployment)
    for pod in (compute.embed, compute.run_pods):
        made = rendered(launcher, {TAG: json.dumps(pod_config(pod, "made"))}, "step_worker")
        assert_holds(made)
        assert devices(made) == ({pod.gpu.resource: str(pod.gpu.count)} if pod.gpu.count else {})
    assert compute.run_pods.gpu.count == 0
    for name in own.keys() - {"gpu", "run_pods", "tolerations", "volumes"}:
        assert getattr(compute.embed, name) == own[name]
