"""What the tests in a cluster install is right as far as that can be told without one: a mistake there costs an hour, here a second."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from helm_python import lint

from kb_platform.components.knowledge_base.validate import read_of_its_folder
from kb_platform_tests.helm.charts import CHART, objects, pod_specs
from kb_platform_tests.kubernetes import deployment
from kb_platform_tests.kubernetes.cluster import Namespace
from kb_platform_tests.kubernetes.deployment import Servers, made_secrets
from kb_platform_tests.kubernetes.knowledge_bases import INLINE
from kb_platform_tests.kubernetes.servers import PORTS

KNOWN = {
    "database": "postgresql://kb:secret@127.0.0.1:20000/kb", "ports": {name: 20001 + n for n, name in enumerate(PORTS)}, "gate_keys": "k1:made",
    "temporal": "127.0.0.1:20100", "review_keys": "k1:made", "audit_key": "k1:made",
}
REVIEWS: dict[str, Any] = {"worker": {"enabled": True}, "gateway": {"enabled": True}, "temporal": {"address": KNOWN["temporal"]}}


@pytest.fixture
def started() -> Servers:
    """Return what the servers' pod of such a test tells."""
    return Servers(Namespace("kb-made", None), "node", KNOWN)


@pytest.fixture(params=[{}, REVIEWS], ids=["embedding", "reviews"])
def installed(request: pytest.FixtureRequest, started: Servers, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the values of an installation; the cluster that would be asked what it serves is a new one."""
    monkeypatch.setenv("KB_TEST_IMAGE", "kb-platform:test")
    monkeypatch.setattr(deployment, "serves", lambda _version: True)
    return deployment.values(started, knowledgeBases={"inline": INLINE}, **request.param)


def test_kubernetes_takes_what_the_values_make(installed: dict[str, Any]) -> None:
    assert lint(CHART, installed, strict=True)["errors"] == []
    for found in objects(installed):
        kubernetes_validate.validate(found, "1.37", strict=True)


def test_every_secret_that_a_pod_cannot_do_without_is_made(installed: dict[str, Any], started: Servers) -> None:
    made = {(secret["metadata"]["name"], key) for secret in made_secrets(started) for key in secret["stringData"]}
    needed = {(source["name"], source["key"]) for spec in pod_specs(objects(installed)).values() for container in spec["containers"]
              for variable in container.get("env", ()) if (source := variable.get("valueFrom", {}).get("secretKeyRef")) and not source.get("optional")}
    assert ("kb-platform", "gate-keys") in needed
    assert needed <= made


def test_every_part_that_listens_has_a_port_of_its_own(installed: dict[str, Any]) -> None:
    listens = [port["containerPort"] for spec in pod_specs(objects(installed)).values() for container in spec["containers"]
               for port in container.get("ports", ())]
    assert len(listens) == len(set(listens))


@pytest.mark.parametrize("name", INLINE)
def test_the_knowledge_bases_are_valid(name: str, tmp_path: Path) -> None:
    for path, text in INLINE[name].items():
        (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name / path).write_text(text)
    assert read_of_its_folder(tmp_path / name / "defs.yaml").name == name
