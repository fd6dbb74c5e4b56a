"""Renders charts without Helm's program or a cluster, by Helm's own library."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from helm_python import Chart

HELM = Path(__file__).parents[2] / "helm"
CHART = HELM / "kb-platform"

ALL_ON = yaml.safe_load((Path(__file__).parent / "everything.yaml").read_text())
OFF = {"enabled": False}
NOT_MADE = {"create": False}
ALL_OFF: dict[str, Any] = {
    "codeLocation": OFF, "worker": OFF, "gateway": OFF, "migrations": OFF, "podDisruptionBudgets": OFF, "networkPolicy": OFF, "gpu": OFF,
    "rbac": NOT_MADE, "serviceAccounts": {"code": NOT_MADE, "run": NOT_MADE, "step": NOT_MADE, "review": NOT_MADE},
}
ON_HOST: dict[str, Any] = {"hostNetwork": True, "tests": {"host": "127.0.0.1"}, "worker": {"replicas": 1}}
# Every combination of values that tests look at; names are those of the test's parameters.
VALUES: dict[str, dict[str, Any]] = {"defaults": {}, "everything": ALL_ON, "nothing": ALL_OFF, "host_network": ON_HOST}


def texts(values: dict[str, Any], chart: Path = CHART) -> dict[str, str]:
    """Return what each template renders to. Our own chart is rendered once for the same values; others may change under a test."""
    return dict(_of_ours(json.dumps(values))) if chart == CHART else _rendered(values, chart)


@cache
def _of_ours(values: str) -> dict[str, str]:
    return _rendered(json.loads(values), CHART)


def _rendered(values: dict[str, Any], chart: Path) -> dict[str, str]:
    with Chart.load(chart) as loaded:  # anew each time, as rendering changes it
        return loaded.render(values, name="kb", namespace="clinic", is_install=True)


def objects(values: dict[str, Any], chart: Path = CHART) -> list[dict[str, Any]]:
    """Return the objects that values make."""
    manifests = [text for path, text in texts(values, chart).items() if not path.endswith("NOTES.txt")]
    return [found for text in manifests for found in yaml.safe_load_all(text) if found]


def one(found: list[dict[str, Any]], kind: str, ending: str) -> dict[str, Any]:
    """Return the one object of a kind whose name ends so."""
    (match,) = [o for o in found if o["kind"] == kind and o["metadata"]["name"].endswith(ending)]
    return match


def pod_specs(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the spec of every pod that objects make, by the object's kind and name."""
    return {
        f"{o['kind']} {o['metadata']['name']}": o["spec"] if o["kind"] == "Pod" else o["spec"]["template"]["spec"]
        for o in found if o["kind"] in ("Pod", "Deployment", "Job")
    }


def environment(container: dict[str, Any]) -> dict[str, Any]:
    """Return a container's variables: their values, or where they come from."""
    return {variable["name"]: variable.get("value", variable.get("valueFrom")) for variable in container["env"]}
