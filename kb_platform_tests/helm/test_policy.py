"""What holds for every object that the chart makes, whatever the values: policies, as code."""

import json
import re
from typing import Any

import pytest

from kb_platform_tests.helm.charts import ALL_ON, VALUES, environment, objects, one, pod_specs

SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|API_KEY|_KEYS?$|DATABASE_URL")
NOT_SECRET = {"KB_REVIEW_FHIR_TOKEN_URL"}


def containers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a pod's containers, those before it included."""
    return [*spec.get("initContainers", ()), *spec["containers"]]


def broken(found: list[dict[str, Any]]) -> list[str]:
    """Return what each rule finds fault with."""
    faults = []
    may = {subject["name"] for o in found if o["kind"] == "RoleBinding" for subject in o["subjects"]}
    for name, spec in pod_specs(found).items():
        faults += [f"{name}: mounts a token that it has no use for"] if _has_token(spec) and spec["serviceAccountName"] not in may else []
        faults += [f"{name}: {fault}" for fault in [*_pod_faults(spec), *(f for c in containers(spec) for f in _container_faults(c))]]
    return faults + [fault for o in found for fault in _role_faults(o)]


def _has_token(spec: dict[str, Any]) -> bool:
    return spec.get("automountServiceAccountToken") is not False


def _pod_faults(spec: dict[str, Any]) -> list[str]:
    context = spec.get("securityContext", {})
    return [message for message, holds in {
        "may run as root": context.get("runAsNonRoot") is True and context.get("runAsUser", 0) > 0,
        "has no seccomp profile": context.get("seccompProfile", {}).get("type") == "RuntimeDefault",
        "mounts a folder of the node": not any("hostPath" in volume for volume in spec.get("volumes", ())),
        "shares the node's processes": not (spec.get("hostPID") or spec.get("hostIPC")),
    }.items() if not holds]


def _container_faults(container: dict[str, Any]) -> list[str]:
    context, resources, image = container.get("securityContext", {}), container.get("resources", {}), container["image"]
    limits, requests = resources.get("limits", {}), resources.get("requests", {})
    gpus = {name for name in {*limits, *requests} if "/" in name}
    secrets = [v["name"] for v in container.get("env", ()) if SECRET_NAME.search(v["name"]) and v["name"] not in NOT_SECRET and "value" in v]
    return [f"{container['name']} {message}" for message, holds in {
        "can write its root file system": context.get("readOnlyRootFilesystem") is True,
        "can gain privileges": context.get("allowPrivilegeEscalation") is False and not context.get("privileged"),
        "keeps capabilities": context.get("capabilities", {}).get("drop") == ["ALL"] and not context["capabilities"].get("add"),
        "has no requests or limits": {"cpu", "memory"} <= requests.keys() and {"cpu", "memory"} <= limits.keys(),
        "asks for GPUs other than its limit": all(limits.get(name) == requests.get(name) for name in gpus),
        "has an image without a version": ("@sha256:" in image or ":" in image.rpartition("/")[2]) and not image.endswith(":latest"),
        f"has a secret in plain sight: {secrets}": not secrets,
    }.items() if not holds]


def _role_faults(found: dict[str, Any]) -> list[str]:
    if found["kind"] not in ("Role", "ClusterRole"):
        return []
    words = [word for rule in found["rules"] for key in ("apiGroups", "resources", "verbs") for word in rule[key]]
    name = found["metadata"]["name"]
    return [f"{name} is for the whole cluster"] * (found["kind"] == "ClusterRole") + [f"{name} has a wildcard"] * ("*" in words)


@pytest.mark.parametrize("name", VALUES)
def test_every_object_keeps_the_rules(name: str) -> None:
    assert broken(objects(VALUES[name])) == []


@pytest.mark.parametrize(("values", "fault"), [
    ({"podSecurityContext": {"runAsUser": 0}}, "may run as root"),
    ({"podSecurityContext": {"seccompProfile": {"type": "Unconfined"}}}, "has no seccomp profile"),
    ({"containerSecurityContext": {"readOnlyRootFilesystem": False}}, "can write its root file system"),
    ({"containerSecurityContext": {"privileged": True}}, "can gain privileges"),
    ({"containerSecurityContext": {"capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}}}, "keeps capabilities"),
    ({"worker": {"extraVolumes": [{"name": "host", "hostPath": {"path": "/"}}]}}, "mounts a folder of the node"),
    ({"worker": {"extraContainers": [{"name": "x", "image": "proxy"}]}}, "x has an image without a version"),
    ({"worker": {"extraContainers": [{"name": "x", "image": "proxy:1"}]}}, "x has no requests or limits"),
    ({"worker": {"resources": {"limits": {"nvidia.com/gpu": "1"}}}}, "asks for GPUs other than its limit"),
    ({"worker": {"extraEnv": [{"name": "KB_REVIEW_BRIEF_API_KEY", "value": "x"}]}}, "has a secret in plain sight"),
])
def test_each_rule_finds_what_breaks_it(values: dict[str, Any], fault: str) -> None:
    assert any(fault in said for said in broken(objects(values)))


@pytest.mark.parametrize("name", ["defaults", "everything"])
def test_every_pod_is_denied_what_it_does_not_need(name: str) -> None:
    found = objects(VALUES[name])
    deny = one(found, "NetworkPolicy", "-default-deny")["spec"]
    assert deny["policyTypes"] == ["Ingress", "Egress"]
    assert not deny.keys() & {"ingress", "egress"}
    for o in found:
        template = o if o["kind"] == "Pod" else o["spec"].get("template") if o["kind"] in ("Deployment", "Job") else None
        if template:
            assert deny["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items(), o["metadata"]["name"]
    for policy in (o for o in found if o["kind"] == "NetworkPolicy"):
        assert all(rule.get("ports") or rule.get("to") for rule in policy["spec"].get("egress", ())), policy["metadata"]["name"]
        assert all(rule["from"] and rule["ports"] for rule in policy["spec"].get("ingress", ())), policy["metadata"]["name"]


def test_the_account_of_runs_may_make_jobs_and_nobody_else() -> None:
    found = objects(ALL_ON)
    bound = {o["subjects"][0]["name"]: one(found, "Role", o["roleRef"]["name"]) for o in found if o["kind"] == "RoleBinding"}
    may = {account: {(resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}
           for account, role in bound.items()}
    assert may.keys() == {"kb-kb-platform-run", "kb-kb-platform-code"}
    assert [account for account, does in may.items() if ("jobs", "create") in does] == ["kb-kb-platform-run"]
    for does in may.values():
        assert {("jobs", "list"), ("jobs", "delete"), ("pods", "list"), ("pods", "delete")} <= does  # to end a Job, dagster-k8s deletes its pods, too
        assert not any(resource in ("secrets", "configmaps", "pods/exec") for resource, _ in does)
        assert {verb for _, verb in does} <= {"create", "get", "list", "watch", "delete"}
    for pod, spec in pod_specs(found).items():
        assert spec.get("serviceAccountName") != "kb-kb-platform-run", pod
    code = one(found, "Deployment", "-code")["spec"]["template"]["spec"]["containers"][0]
    assert json.loads(environment(code)["DAGSTER_CONTAINER_CONTEXT"])["k8s"]["service_account_name"] == "kb-kb-platform-run"


def test_where_steps_run_in_process_nobody_may_do_anything() -> None:
    found = objects({})
    assert not [o for o in found if o["kind"] in ("Role", "RoleBinding")]
    assert not [pod for pod, spec in pod_specs(found).items() if _has_token(spec)]


def test_the_gateway_never_has_the_key_that_seals_the_audit_trail() -> None:
    found = objects(ALL_ON)
    worker, gateway = (one(found, "Deployment", name)["spec"]["template"]["spec"]["containers"][0] for name in ("-review-worker", "-review-gateway"))
    assert "KB_REVIEW_AUDIT_KEY" in environment(worker)
    assert "KB_REVIEW_AUDIT_KEY" not in environment(gateway)
    assert "KB_REVIEW_OIDC_CLIENT_SECRET" not in environment(worker)


def test_pods_reach_the_ports_of_the_addresses_that_values_name() -> None:
    oidc = {"issuer": "https://id.example.org:9443/realms/clinic", "clientId": "kb"}
    found = objects({"temporal": {"address": "temporal:7234"}, "gateway": {"url": "https://review.example.org:8443", "oidc": oidc},
                     "worker": {"fhir": {"url": "http://ehr/fhir"}, "brief": {"url": "https://models/v1", "model": "small"}}})
    ports = [[port["port"] for port in rule["ports"]] for rule in one(found, "NetworkPolicy", "-servers")["spec"]["egress"]]
    assert ports == [[53, 53], [5432], [7233, 7234], [443, 8443, 9443, 80]]
    plain = one(objects({}), "NetworkPolicy", "-servers")["spec"]["egress"]
    assert [[port["port"] for port in rule["ports"]] for rule in plain] == [[53, 53], [5432], [7233], [443]]


def test_an_earlier_build_is_reached_and_drained_like_the_present_one() -> None:
    found = objects(ALL_ON)
    labels = one(found, "Deployment", "-review-worker-v0-0-9")["spec"]["template"]["metadata"]["labels"]
    expressions = one(found, "NetworkPolicy", "-review-worker")["spec"]["podSelector"]["matchExpressions"]
    assert all(labels[expression["key"]] in expression["values"] for expression in expressions)
    assert labels.items() >= one(found, "PodDisruptionBudget", "-review-worker-v0-0-9")["spec"]["selector"]["matchLabels"].items()


def test_helm_test_gets_through_whoever_else_may_call() -> None:
    found = objects(ALL_ON)
    labels = one(found, "Pod", "-test")["metadata"]["labels"]
    (rule,) = one(found, "NetworkPolicy", "-tested")["spec"]["ingress"]
    assert labels.items() >= rule["from"][0]["podSelector"]["matchLabels"].items()
    assert [port["port"] for port in rule["ports"]] == [3030, 9464, 9466, 9467]
