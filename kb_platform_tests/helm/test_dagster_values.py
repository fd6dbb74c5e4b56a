"""The values for Dagster's chart make an instance that Dagster accepts, with the rules of dagster.yaml, and pods that hold.

What the chart makes of them is written down here, after its template of the instance's configuration; where the chart itself is at
hand, test_umbrella.py renders it.
"""

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._config import validate_config
from dagster._core.instance.config import dagster_instance_config_schema

from kb_platform.components.executors.pod_config import TAG, pod_config
from kb_platform.knowledge.compute import Compute
from kb_platform_tests.compute.rendered import assert_holds, rendered, run_launcher
from kb_platform_tests.docs.umbrella import UMBRELLA
from kb_platform_tests.helm.charts import HELM, objects, one

VALUES = yaml.safe_load((HELM / "values" / "dagster.yaml").read_text())
ROOT = yaml.safe_load((HELM.parent / "dagster.yaml").read_text())
DAEMON = VALUES["dagsterDaemon"]
# Where a cluster differs from one machine, and why.
DIFFERENT = {
    ("run_coordinator", "config", "dequeue_interval_seconds"): "a launched run is a pod there: a second more is nothing",
    ("run_coordinator", "config", "dequeue_use_threads"): "launching one asks the cluster's API",
    ("concurrency", "runs", "max_concurrent_runs"): "runs have nodes, not one machine",
    ("run_monitoring", "start_timeout_seconds"): "a pod may wait for a queue or a node",
    ("run_monitoring", "max_runtime_seconds"): "the chart does not write it; steps have deadlines",
    ("retention", "sensor", "purge_after_days", "started"): "the chart's schema asks for it",
    ("retention", "auto_materialize", "purge_after_days", "started"): "the chart's schema asks for it",
}


def snake(value: Any) -> Any:
    if isinstance(value, dict):
        return {re.sub(r"(?<=[a-z])[A-Z]", lambda found: f"_{found[0].lower()}", name): snake(inner) for name, inner in value.items()}
    return [snake(inner) for inner in value] if isinstance(value, list) else value


def instance() -> dict[str, Any]:
    """Return the instance's configuration as the chart writes it, without storage and launcher."""
    concurrency, retention = ({n: v for n, v in VALUES[name].items() if n != "enabled"} for name in ("concurrency", "retention"))
    return {
        "run_coordinator": {"module": "dagster.core.run_coordinator", "class": DAEMON["runCoordinator"]["type"],
                            "config": snake(DAEMON["runCoordinator"]["config"]["queuedRunCoordinator"])},
        "run_monitoring": snake(DAEMON["runMonitoring"]), "run_retries": snake(DAEMON["runRetries"]),
        **{name: snake(DAEMON[name]) for name in ("sensors", "schedules", "backfills")},
        "concurrency": snake(concurrency), "retention": snake(retention), "telemetry": VALUES["telemetry"],
        "compute_logs": VALUES["computeLogManager"]["config"]["customComputeLogManager"], **VALUES["additionalInstanceConfig"],
    }


def leaves(value: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    if not isinstance(value, dict):
        return {path: value}
    return {found: leaf for name, inner in value.items() for found, leaf in leaves(inner, (*path, name)).items()}


def test_the_cluster_s_instance_says_what_one_machine_s_says_but_where_it_must_not() -> None:
    here, there = leaves(ROOT), leaves({name: value for name, value in instance().items() if name != "compute_logs"})
    assert {path for path in here.keys() | there.keys() if here.get(path) != there.get(path)} == DIFFERENT.keys()


def test_dagster_accepts_the_instance() -> None:
    checked = validate_config(dagster_instance_config_schema(), instance())
    assert checked.success, [error.message for error in checked.errors or ()]
    logs = instance()["compute_logs"]
    kind = getattr(importlib.import_module(logs["module"]), logs["class"])
    checked = validate_config(kind.config_type(), logs["config"])
    assert checked.success, [error.message for error in checked.errors or ()]


def test_storage_names_its_driver_and_nothing_bundled_is_installed() -> None:
    assert VALUES["postgresql"]["postgresqlScheme"] == "postgresql+psycopg2"
    assert [VALUES[name]["enabled"] for name in ("postgresql", "rabbitmq", "redis", "flower", "telemetry")] == [False] * 5
    assert "postgresqlPassword" not in VALUES["postgresql"]
    assert VALUES["dagster-user-deployments"]["enableSubchart"] is False


def test_one_webserver_is_read_only_and_none_is_open_to_the_outside() -> None:
    assert VALUES["dagsterWebserver"]["enableReadOnly"]
    assert VALUES["dagsterWebserver"]["service"]["type"] == "ClusterIP"
    assert VALUES["ingress"] == {"enabled": False}


@pytest.mark.parametrize("values", [{}, yaml.safe_load((UMBRELLA / "own.yaml").read_text())["kb-platform"]], ids=["alone", "umbrella"])
def test_the_servers_load_the_code_location_that_our_chart_serves(values: dict[str, Any]) -> None:
    (server,) = VALUES["dagsterWebserver"]["workspace"]["servers"]
    service = one(objects(values), "Service", "-code")
    assert server["host"] == service["metadata"]["name"]
    assert server["port"] in [port["port"] for port in service["spec"]["ports"]]


@pytest.mark.parametrize("server", ["dagsterWebserver", "dagsterDaemon"])
def test_servers_have_our_image_the_object_store_and_no_place_to_write_but_one(server: str) -> None:
    found = VALUES[server]
    assert found["image"]["repository"] == "kb-platform"
    assert {variable["name"] for variable in found["env"]} >= {"KB_OBJECT_STORE"}
    assert found["securityContext"]["readOnlyRootFilesystem"]
    assert found["podSecurityContext"]["runAsNonRoot"]
    assert {"requests", "limits"} == found["resources"].keys()
    assert [mount["mountPath"] for mount in found["volumeMounts"]] == ["/tmp"]


def test_pods_of_runs_and_steps_hold_whoever_describes_them(tmp_path: Path) -> None:
    given = VALUES["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]
    names = {"containerConfig": "container_config", "podSpecConfig": "pod_spec_config", "jobSpecConfig": "job_spec_config"}
    launcher = run_launcher(tmp_path, run_k8s_config={names[name]: value for name, value in given.items()})
    assert_holds(rendered(launcher, {}, "run_worker"))  # a back-fill's run has no tags
    for pod in (Compute().embed, Compute().run_pods):
        assert_holds(rendered(launcher, {TAG: json.dumps(pod_config(pod, "made"))}, "step_worker"))
