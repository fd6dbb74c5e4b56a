"""The chart on a real cluster: installed, ready, tested by itself, upgraded, rolled back and uninstalled, with Postgres and Temporal beside it."""

from collections.abc import Iterator
from typing import Any

import httpx
import kubernetes
import pytest
from helm_python import Config, HelmError

from kb_platform_tests.kubernetes.cluster import Namespace, eventually
from kb_platform_tests.kubernetes.deployment import CHART, DAGSTER_SECRET, RELEASE, Servers, installed, servers, values
from kb_platform_tests.kubernetes.knowledge_bases import definition
from kb_platform_tests.kubernetes.search_api import search_api

PARTS = ("code", "review-worker", "review-gateway", "search-api")


@pytest.fixture(scope="module")
def reviewing(node: tuple[str, int]) -> Iterator[Servers]:
    """Yield a namespace with Postgres and Temporal."""
    with servers("kb-chart", node[0], "temporal") as started:
        yield started


@pytest.fixture(scope="module")
def chosen(reviewing: Servers) -> dict[str, Any]:
    """Return values with every part on."""
    here = {"nodeSelector": {"kubernetes.io/hostname": reviewing.node}}
    asked = {"resources": {"requests": {"cpu": "20m", "memory": "256Mi"}, "limits": {"cpu": "2", "memory": "1Gi"}}}
    ports = {
        "worker": {"health": reviewing.port("worker-health"), "metrics": reviewing.port("worker-metrics")},
        "gateway": {"http": reviewing.port("gateway"), "monitor": reviewing.port("gateway-health")},
    }
    return values(
        reviewing, temporal={"address": reviewing.known["temporal"]}, knowledgeBases={"inline": {"made": definition("made")}},
        worker={"replicas": 1, "ports": ports["worker"]} | asked | here, gateway={"replicas": 1, "ports": ports["gateway"]} | asked | here)


@pytest.fixture(scope="module")
def helm(reviewing: Servers, chosen: dict[str, Any]) -> Iterator[Config]:
    """Yield Helm with the chart installed."""
    with installed(reviewing, chosen) as config:
        yield config


def deployments(space: Namespace) -> dict[str, Any]:
    """Return the namespace's Deployments by the part that they are."""
    found = kubernetes.client.AppsV1Api(space.client).list_namespaced_deployment(space.name).items
    return {deployment.metadata.name.removeprefix(f"{RELEASE}-"): deployment for deployment in found}


def settled(space: Namespace) -> dict[str, Any]:
    """Return the Deployments when each has its pods, ready and of the newest template."""

    def all_ready() -> Any:
        found = deployments(space)
        done = [d.status.observed_generation >= d.metadata.generation and d.status.ready_replicas == d.status.updated_replicas == d.status.replicas
                for d in found.values()]
        return found if done and all(done) else None

    return eventually("all parts are ready", all_ready, patience=180)


def variable(deployment: Any, name: str) -> str | None:
    """Return a variable of a Deployment's pods."""
    (container,) = deployment.spec.template.spec.containers
    return next((v.value for v in container.env if v.name == name), None)


def test_every_part_becomes_ready_and_answers(reviewing: Servers, helm: Config) -> None:
    found = settled(reviewing.space)
    assert set(found) == set(PARTS)
    (gateway,) = reviewing.space.pods("app.kubernetes.io/component=review-gateway")
    with reviewing.space.forwarded(gateway.metadata.name, reviewing.port("gateway")) as port:
        assert httpx.get(f"http://127.0.0.1:{port}/", follow_redirects=True).status_code == 200
    helm.test(RELEASE, timeout=180)


def test_the_search_api_lets_in_who_has_a_key(reviewing: Servers, helm: Config) -> None:
    settled(reviewing.space)
    with search_api(reviewing, "made") as (url, client):
        assert list(client.knowledge_bases()) == ["made"]
        assert httpx.get(f"{url}/v1").status_code == 401


def test_the_schemas_are_there_before_the_pods(reviewing: Servers, helm: Config) -> None:
    asked = "import os, psycopg; print(*(r[0] for r in psycopg.connect(os.environ['KB_DATABASE_URL']).execute('select nspname from pg_namespace')))"
    (code,) = reviewing.space.pods("app.kubernetes.io/component=code")
    assert {"kb_made", "review"} <= set(reviewing.space.run(code.metadata.name, ["python", "-c", asked]).split())


def test_an_upgrade_reaches_the_pods_and_a_rollback_undoes_it(reviewing: Servers, chosen: dict[str, Any], helm: Config) -> None:
    changed = chosen | {"worker": chosen["worker"] | {"extraEnv": [{"name": "KB_REVIEW_CONCURRENT_ACTIVITIES", "value": "3"}]}}
    before = variable(settled(reviewing.space)["review-worker"], "KB_REVIEW_CONCURRENT_ACTIVITIES")
    helm.upgrade(str(CHART), RELEASE, changed, namespace=reviewing.space.name, wait="watcher", timeout=300)
    assert variable(settled(reviewing.space)["review-worker"], "KB_REVIEW_CONCURRENT_ACTIVITIES") == "3"
    helm.rollback(RELEASE, version=1, wait="watcher", timeout=300)
    assert variable(settled(reviewing.space)["review-worker"], "KB_REVIEW_CONCURRENT_ACTIVITIES") == before is None
    assert [release["revision"] for release in helm.history(RELEASE)] == [1, 2, 3]


def test_a_wrong_value_leaves_the_release_as_it_was(reviewing: Servers, chosen: dict[str, Any], helm: Config) -> None:
    revisions = len(helm.history(RELEASE))
    with pytest.raises(HelmError, match="replicas"):
        helm.upgrade(str(CHART), RELEASE, chosen | {"worker": {"replicas": "two"}}, namespace=reviewing.space.name)
    assert len(helm.history(RELEASE)) == revisions


def test_uninstalling_leaves_nothing(reviewing: Servers, helm: Config) -> None:
    helm.uninstall(RELEASE, wait="watcher", timeout=180)
    eventually("all is gone", lambda: not left(reviewing.space))
    assert DAGSTER_SECRET in {s.metadata.name for s in reviewing.space.core.list_namespaced_secret(reviewing.space.name).items}  # not Helm's


def left(space: Namespace) -> list[str]:
    """Return what of the release is left in its namespace, beside the last migration, whose log is kept for a month."""
    core, apps = space.core, kubernetes.client.AppsV1Api(space.client)
    rbac, network = kubernetes.client.RbacAuthorizationV1Api(space.client), kubernetes.client.NetworkingV1Api(space.client)
    listings = (
        core.list_namespaced_pod, core.list_namespaced_service, core.list_namespaced_config_map, core.list_namespaced_secret,
        core.list_namespaced_service_account, core.list_namespaced_resource_quota, core.list_namespaced_persistent_volume_claim,
        apps.list_namespaced_deployment, space.batch.list_namespaced_job, rbac.list_namespaced_role, rbac.list_namespaced_role_binding,
        network.list_namespaced_network_policy,
    )
    of_release = f"app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component!=migrations"
    return [item.metadata.name for listing in listings for item in listing(space.name, label_selector=of_release).items]
