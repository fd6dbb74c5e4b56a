"""What becomes of steps whose pods die, are replaced or find no node: dagster-k8s against an API whose pods are real processes."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml

from kb_platform.components.executors.ended_runs import ended_run_sensors
from kb_platform_tests.compute import made_steps
from kb_platform_tests.compute.made_cluster import UNSCHEDULED, MadeCluster, serving_cluster
from kb_platform_tests.compute.rendered import KUBECONFIG
from kb_platform_tests.waiting import PATIENCE, wait_until

QUICK = {"execution": {"config": {"look_every_seconds": 1}}}


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MadeCluster]:
    """Yield a cluster in which the instance in `tmp_path` launches its runs."""
    monkeypatch.setenv("KB_STEPS", "kubernetes")
    monkeypatch.setenv(made_steps.FOLDER, str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with serving_cluster(tmp_path) as (made, address):
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump(KUBECONFIG | {"clusters": [{"name": "here", "cluster": {"server": address}}]}))
        launcher = {"dagster_home": str(tmp_path), "instance_config_map": "dagster-instance", "job_image": "kb:1", "service_account_name": "dagster",
                    "load_incluster_config": False, "kubeconfig_file": str(tmp_path / "kubeconfig"), "job_namespace": "kb"}
        (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(
            {"run_launcher": {"module": "dagster_k8s.launcher", "class": "K8sRunLauncher", "config": launcher}, "telemetry": {"enabled": False}}))
        yield made


def execute(job: Callable[[], dg.JobDefinition], instance: dg.DagsterInstance) -> dg.JobExecutionResult:
    return dg.execute_job(dg.reconstructable(job), instance=instance, run_config=QUICK)


def starts(folder: Path, name: str) -> int:
    return len((folder / f"{name}.starts").read_text().split())


def failures(result: dg.JobExecutionResult) -> dict[str, str]:
    return {e.step_key or "": e.step_failure_data.error.message for e in result.all_events if e.is_step_failure and e.step_failure_data.error}


def test_the_dead_step_alone_is_started_again_and_a_failure_is_not_repeated(cluster: MadeCluster, tmp_path: Path) -> None:
    (tmp_path / "dies.does").write_text("die 2")
    (tmp_path / "evicted.does").write_text("told once")
    (tmp_path / "raises.does").write_text("raise")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance, execute(made_steps.steady_dies_evicted_raises, instance) as result:
        assert [starts(tmp_path, name) for name in ("steady", "dies", "evicted", "raises")] == [1, 3, 2, 1]
        assert failures(result).keys() == {"raises"}
        assert {e.step_key for e in result.all_events if e.is_step_success} == {"steady", "dies", "evicted"}
        retries = [e.step_retry_data.error.message for e in result.all_events if e.is_step_up_for_retry]
        assert len(retries) == 3
        assert all("died: Error, exit code 137" in said for said in retries)


def test_what_dies_too_often_or_finds_no_node_fails_in_a_clear_sentence(cluster: MadeCluster, tmp_path: Path) -> None:
    (tmp_path / "mortal.does").write_text("die 9")
    (tmp_path / "replaced.does").write_text("die 1")
    cluster.unscheduled, cluster.replacing = {"homeless"}, {"replaced"}
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance, execute(made_steps.mortal_homeless_replaced, instance) as result:
        said = failures(result)
        assert said.keys() == {"mortal", "homeless"}
        assert starts(tmp_path, "mortal") == 2
        assert "exit code 137" in said["mortal"]
        assert f"no node took its pod within 600 s, which asks for cpu 1, memory 2Gi: {UNSCHEDULED}" in said["homeless"]
        assert f"homeless waits: {UNSCHEDULED}" in [e.message for e in result.all_events]
        assert len([name for name in cluster.pods if cluster.pods[name].process is None]) == 1  # it was not tried again
        assert starts(tmp_path, "replaced") == 2  # the replacement saw that the step was begun, and ended: it is started anew
        assert [e.step_retry_data.error.message for e in result.all_events if e.is_step_up_for_retry and e.step_key == "replaced"][0].endswith(
            "ended without a word about the step: another pod had begun it")


@pytest.mark.parametrize("ended", ["told to end", "deleted"])
def test_a_run_that_is_ended_takes_its_pods_along(cluster: MadeCluster, tmp_path: Path, ended: str) -> None:
    (tmp_path / "asleep.does").write_text("sleep")
    script = ("import dagster as dg; from kb_platform_tests.compute import made_steps\n"
              f"with dg.DagsterInstance.from_config({str(tmp_path)!r}) as i, dg.execute_job(dg.reconstructable(made_steps.asleep), instance=i, "
              f"run_config={QUICK}): pass")
    run = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: (tmp_path / "asleep.starts").exists(), "the step sleeps")
        (name,) = cluster.pods
        process = cluster.pods[name].process
        if ended == "deleted":
            with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
                instance.delete_run(cluster.pods[name].job["metadata"]["labels"]["dagster/run-id"])
        else:
            run.send_signal(signal.SIGTERM)
        run.wait(PATIENCE)
    finally:
        run.kill()
    assert (cluster.deleted, cluster.pods) == ([name], {})
    assert process is not None
    assert process.wait(PATIENCE) != 0


def test_the_pods_of_a_run_whose_own_pod_was_killed_are_deleted_by_the_sensor(cluster: MadeCluster, tmp_path: Path) -> None:
    labels = {"app.kubernetes.io/component": "step_worker", "dagster/op": "asleep"}
    cluster.unscheduled = {"asleep"}
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        run = instance.create_run_for_job(made_steps.asleep(), status=dg.DagsterRunStatus.FAILURE)
        for name, run_id in (("mine", run.run_id), ("anothers", "another")):
            cluster.create({"metadata": {"name": name, "labels": labels | {"dagster/run-id": run_id}}, "spec": {"template": {}}})
        sensor = ended_run_sensors()[0]
        event = dg.DagsterEvent("PIPELINE_FAILURE", "asleep")
        context = dg.build_run_status_sensor_context("pods_after_failure", event, instance, run)
        assert sensor(context).skip_message == "deleted mine"
    assert cluster.deleted == ["mine"]
