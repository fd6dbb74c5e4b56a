"""The example with all charts, the values for the official ones, and the script that makes Dagster's chart install without a network.

The official charts are not in the repository. KB_TEST_CHARTS names a folder with their archives (dagster-*.tgz, temporal-*.tgz); without it
the tests that need them are skipped, and say so.
"""

import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from helm_python import Chart, lint
from helm_python.errors import HelmValuesError

from kb_contracts.names import INDEX_TYPES
from kb_platform_tests.docs.umbrella import OTHERS, UMBRELLA, VALUES, values
from kb_platform_tests.helm.charts import CHART, HELM, objects

REMOTE = "https://kubernetesjsonschema.dev/v1.19.0/_definitions.json#/definitions/"
TEMPORAL = yaml.safe_load((HELM / "values" / "temporal.yaml").read_text())


def localize(*arguments: Path | str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(HELM / "localize-schemas"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """Return a chart whose schema refers to the web, as Dagster's does, in a chart of it as well."""
    chart, inner = tmp_path / "remote", tmp_path / "remote" / "charts" / "inner"
    for folder in (chart, inner):
        (folder / "templates").mkdir(parents=True)
        (folder / "Chart.yaml").write_text(yaml.safe_dump({"apiVersion": "v2", "name": folder.name, "version": "1.0.0"}))
        (folder / "values.yaml").write_text("affinity: {}\ntolerations: []\nmode: queued\n")
        (folder / "templates" / "map.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Chart.Name }}}\n")
        (folder / "values.schema.json").write_text(json.dumps({"type": "object", "$defs": {"mode": {"enum": ["queued", "direct"]}}, "properties": {
            "affinity": {"$ref": f"{REMOTE}io.k8s.api.core.v1.Affinity"}, "mode": {"$ref": "#/$defs/mode"},
            "tolerations": {"type": "array", "items": {"$ref": f"{REMOTE}io.k8s.api.core.v1.Toleration"}}}}))
    return chart


def test_a_localized_schema_checks_what_it_checked(remote: Path) -> None:
    done = localize(remote)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("definitions of Kubernetes are in it now") == 2
    good = {"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}, "tolerations": [{"key": "gpu", "operator": "Exists"}]}
    assert len(objects({**good, "inner": good}, remote)) == 2
    for wrong, said in (({"mode": "both"}, "value must be one of 'queued', 'direct'"), ({"tolerations": [{"key": 1}]}, "/tolerations/0/key"),
                        ({"inner": {"affinity": {"nodeAffinity": []}}}, "/affinity/nodeAffinity")):
        with pytest.raises(HelmValuesError) as refused:
            objects(wrong, remote)
        assert said in str(refused.value)
    text = (remote / "values.schema.json").read_text()
    assert "http" not in {part.partition(":")[0] for part in text.split('"$ref": "')[1:]}
    assert "NodeSelectorTerm" in text  # what a definition refers to comes along
    assert "io.k8s.api.apps" not in text  # and nothing else
    again = localize(remote)
    assert (again.returncode, again.stdout) == (0, "")
    assert (remote / "values.schema.json").read_text() == text


def test_archives_of_charts_are_localized_where_they_lie(remote: Path, tmp_path: Path) -> None:
    charts = tmp_path / "charts"
    charts.mkdir()
    with tarfile.open(charts / "remote-1.0.0.tgz", "w:gz") as archive:
        archive.add(remote, "remote")
    assert localize(charts).returncode == 0
    assert [path.name for path in charts.iterdir()] == ["remote"]
    assert len(objects({}, charts / "remote")) == 2


def test_what_the_script_cannot_do_is_said(remote: Path, tmp_path: Path) -> None:
    path = remote / "values.schema.json"
    path.write_text(path.read_text().replace("io.k8s.api.core.v1.Affinity", "io.k8s.api.core.v1.Affection"))
    done = localize(remote)
    assert done.returncode == 1
    assert f"refers elsewhere: {path}: {REMOTE}io.k8s.api.core.v1.Affection" in done.stderr
    assert localize(tmp_path / "nothing").stderr == f"localize-schemas: {tmp_path / 'nothing'}: expected a chart's folder or archive\n"
    assert "no definitions of Kubernetes 1.2; expected one of" in localize(remote, "--kubernetes", "1.2").stderr


def test_the_examples_values_are_its_own_and_those_of_each_chart() -> None:
    assert VALUES.read_text(encoding="utf-8") == values(), "run `make docs`"
    found = yaml.safe_load(values())
    charts = {d["name"]: d for d in yaml.safe_load((UMBRELLA / "Chart.yaml").read_text())["dependencies"]}
    assert set(found) <= set(charts)
    own = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert charts["kb-platform"]["version"] == own["version"]
    assert (UMBRELLA / charts["kb-platform"]["repository"].removeprefix("file://")).resolve() == CHART
    assert all(d["version"] and "*" not in d["version"] and "^" not in d["version"] for d in charts.values())
    assert objects(found["kb-platform"])


def test_the_values_for_temporal_name_the_namespace_and_the_address_that_reviews_use() -> None:
    (namespace,) = TEMPORAL["server"]["config"]["namespaces"]["namespace"]
    ours = yaml.safe_load((CHART / "values.yaml").read_text())
    assert namespace["name"] == ours["temporal"]["namespace"]
    stores = TEMPORAL["server"]["config"]["persistence"]["datastores"]
    assert all(store["sql"]["existingSecret"] and "password" not in store["sql"] for store in stores.values())
    assert TEMPORAL["web"] == {"enabled": False}


def test_the_page_about_clusters_makes_the_search_attributes_that_reviews_set() -> None:
    page = (HELM.parent / "docs" / "cluster.md").read_text()
    assert dict(re.findall(r"--name (\w+) --type (\w+)", page)) == {name.value: kind for name, kind in INDEX_TYPES.items()}


@pytest.mark.parametrize("name", OTHERS)
def test_the_official_charts_take_the_values_and_kubernetes_takes_what_they_make(name: str, tmp_path: Path) -> None:
    folder, path = os.environ.get("KB_TEST_CHARTS"), HELM / "values" / f"{name}.yaml"
    archives = sorted(Path(folder).glob(f"{name}-[0-9]*.tgz")) if folder else []
    if not archives or not path.is_file():
        pytest.skip(f"no chart of {name}, or no values for it: KB_TEST_CHARTS names a folder with {name}-VERSION.tgz")
    with tarfile.open(archives[-1]) as archive:
        archive.extractall(tmp_path, filter="data")
    assert localize(tmp_path / name).returncode == 0
    given: dict[str, Any] = yaml.safe_load(path.read_text())
    with Chart.load(tmp_path / name) as chart:
        chart.validate_schema(given)
    assert lint(tmp_path / name, given)["errors"] == []
    for found in objects(given, tmp_path / name):
        if found["kind"] != "ServiceMonitor":
            kubernetes_validate.validate(found, "1.37", strict=True)
