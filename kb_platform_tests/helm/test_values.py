"""values.yaml, its schema and the README say the same."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from kb_platform_tests.docs.chart_values import README, described, readme
from kb_platform_tests.helm.charts import ALL_ON, CHART, environment, objects, one, pod_specs
from kb_platform_tests.helm.charts import VALUES as VALUES_OF_TESTS

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema, or what it refers to within the same file."""
    reference = schema.get("$ref")
    return SCHEMA["definitions"][reference.removeprefix("#/definitions/")] if reference else schema


def paths(schema: dict[str, Any], values: Any, prefix: str = "") -> Iterator[tuple[str, bool]]:
    """Yield every key that the schema names, and whether values.yaml has it."""
    for name, inner in resolved(schema).get("properties", {}).items():
        there = isinstance(values, dict) and name in values
        yield f"{prefix}{name}", there
        yield from paths(inner, values.get(name) if there else None, f"{prefix}{name}.")


def test_the_readme_is_what_the_values_say() -> None:
    assert README.read_text(encoding="utf-8") == readme(), "run `make docs`"


def test_every_key_of_the_schema_has_a_default() -> None:
    absent = [path for path, there in paths(SCHEMA, VALUES) if not there]
    assert absent == ["global", *(f"worker.image.{name}" for name in ("repository", "tag", "digest"))]  # Helm's own; and what images.worker is in full


def test_the_schema_asks_nobody_beyond_its_file() -> None:
    text = json.dumps(SCHEMA)
    references = {part.split('"')[0] for part in text.split('"$ref": "')[1:]}
    assert references <= {f"#/definitions/{name}" for name in SCHEMA["definitions"]}
    assert {f"#/definitions/{name}" for name in SCHEMA["definitions"]} <= references  # and defines nothing in vain


def test_everything_on_sets_every_group_of_values() -> None:
    assert set(VALUES) - set(ALL_ON) <= {
        "nameOverride", "fullnameOverride", "hostNetwork", "podSecurityContext", "containerSecurityContext", "migrations", "rbac",
        "podDisruptionBudgets", "tests",
    }


def test_a_comment_above_no_key_is_an_error() -> None:
    assert described("a:\n  # -- says\n  b: 1\n# -- more\nc: 2\n") == {"a.b": "says", "c": "more"}
    with pytest.raises(ValueError, match="stands above no key"):
        described("# -- lost\n- item\n")


def test_every_key_of_a_secret_that_the_values_name_is_given_to_a_container() -> None:
    values = {"runs": {"steps": "kubernetes"}, "worker": {"seals": {"enabled": True}, "brief": {"url": "https://models/v1", "model": "m"},
              "fhir": {"url": "https://ehr/fhir", "tokenUrl": "https://ehr/token", "clientId": "kb"}},
              "gateway": {"url": "https://review", "oidc": {"issuer": "https://id", "clientId": "kb"}}}
    for part, suffix in (("platform", "-code"), ("worker", "-review-worker"), ("gateway", "-review-gateway")):
        container = one(objects(values), "Deployment", suffix)["spec"]["template"]["spec"]["containers"][0]
        given = {source["secretKeyRef"]["key"] for source in environment(container).values() if isinstance(source, dict)}
        said = described((CHART / "values.yaml").read_text())[f"{part}.existingSecret"]
        named = set(re.findall(r"`([a-z-]+)`", said))
        assert named, part
        assert named <= given, part


def test_every_variable_that_the_chart_sets_is_one_that_something_reads() -> None:
    page = (CHART.parents[1] / "docs" / "variables.md").read_text()
    known = set(re.findall(r"^\| `(KB_\w+)`", page, flags=re.MULTILINE))
    given = {name for values in VALUES_OF_TESTS.values() for spec in pod_specs(objects(values)).values() for container in spec["containers"]
             if "env" in container for name in environment(container) if name.startswith("KB_")}
    assert {"KB_GATE_KEYS", "KB_SERVE_OPEN", "KB_REVIEW_FHIR_URL", "KB_REVIEW_OIDC_ISSUER"} <= given
    assert given <= known


def test_the_values_of_the_page_about_clusters_are_taken() -> None:
    page = (CHART.parents[1] / "docs" / "cluster.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)
    found = objects(yaml.safe_load(example.replace("sha256:...", f"sha256:{'1' * 64}")))
    assert {"Ingress", "ResourceQuota", "ConfigMap"} <= {o["kind"] for o in found}
