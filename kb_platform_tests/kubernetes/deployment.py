"""The platform in a namespace of its own: servers, the chart, and Dagster's webserver and daemon as its official chart would run them.

All pods are on one node and in its network (see servers.py), and share a folder of that node as object store.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from helm_python import Config

import kb_platform.local
from kb_platform_tests.kubernetes.cluster import Namespace, configuration, image, namespace, serves

CHART = Path(__file__).parents[2] / "helm" / "kb-platform"
NOBODY = 65534  # has a name in every image, which initdb wants
STORE = "/srv/shared"  # the node's folder, in every pod
SECRET, DAGSTER_SECRET, RELEASE = "kb-platform", "dagster-postgresql-secret", "kb"
NO_GPU_ASKED = {"KB_EMBEDDER": "cpu"}  # the GPUs of a test need not be real ones


@dataclass(frozen=True)
class Servers:
    """What the servers' pod told: addresses and keys."""

    space: Namespace
    node: str
    known: Mapping[str, Any]

    @property
    def database(self) -> str:
        return self.known["database"]

    def port(self, name: str) -> int:
        return self.known["ports"][name]


@contextmanager
def servers(prefix: str, node: str, *parts: str) -> Iterator[Servers]:
    """Yield a namespace whose Postgres runs, and Temporal where it is asked for; the folder that its pods shared is emptied at the end."""
    with namespace(prefix) as space:
        space.create(_program(), _servers_pod(space.name, node, parts))
        space.ready("servers")
        text = space.run("servers", ["cat", "/srv/kb/known.json"], container="servers")
        started = Servers(space, node, json.loads(text))
        space.create(*made_secrets(started))
        try:
            yield started
        finally:
            space.run("servers", ["sh", "-c", f"rm -rf {STORE}/*"], container="janitor")


def _program() -> dict[str, Any]:
    text = (Path(__file__).parent / "servers.py").read_text()
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "servers"}, "data": {"servers.py": text}}


def shared_folder(space: str) -> dict[str, Any]:
    """Return the volume that all pods of a test see."""
    return {"name": "shared", "hostPath": {"path": f"/var/lib/kb-platform-tests/{space}", "type": "DirectoryOrCreate"}}


def on_node(node: str) -> dict[str, Any]:
    """Return what puts a pod on a node and into its network."""
    return {"nodeSelector": {"kubernetes.io/hostname": node}, "hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}


def _servers_pod(space: str, node: str, parts: tuple[str, ...]) -> dict[str, Any]:
    name = ":".join(image())
    janitor = {"name": "janitor", "image": name, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", f"chmod 1777 {STORE} && sleep infinity"],
               "securityContext": {"runAsUser": 0}, "volumeMounts": [{"name": "shared", "mountPath": STORE}]}
    container = {
        "name": "servers", "image": name, "imagePullPolicy": "IfNotPresent", "command": ["python", "/etc/servers/servers.py", *parts],
        "env": [{"name": "KB_HOME", "value": "/srv/kb/home"}, {"name": "HOME", "value": "/srv/kb"}],
        "securityContext": {"runAsUser": NOBODY, "runAsGroup": NOBODY},
        "readinessProbe": {"exec": {"command": ["test", "-f", "/srv/kb/known.json"]}, "periodSeconds": 1},
        "volumeMounts": [{"name": "home", "mountPath": "/srv/kb"}, {"name": "program", "mountPath": "/etc/servers"},
                         {"name": "shared", "mountPath": STORE}],
    }
    volumes = [shared_folder(space), {"name": "home", "emptyDir": {}}, {"name": "program", "configMap": {"name": "servers"}}]
    spec = on_node(node) | {"containers": [container, janitor], "volumes": volumes, "restartPolicy": "Never",
                            "securityContext": {"fsGroup": NOBODY}, "automountServiceAccountToken": False, "terminationGracePeriodSeconds": 5}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "servers", "labels": {"app": "servers"}}, "spec": spec}


def made_secrets(started: Servers) -> Iterator[dict[str, Any]]:
    """Yield the Secrets that the values name, as an installation by hand would make them."""

    def secret(name: str, **values: str) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values}

    reviews = {"review-keys": started.known["review_keys"]} if "review_keys" in started.known else {}
    yield secret(SECRET, **{"database-url": started.database, "gate-keys": started.known["gate_keys"]}, **reviews)
    yield secret(DAGSTER_SECRET, **{"postgresql-password": urlsplit(started.database).password or ""})
    if reviews:
        yield secret("kb-review", **{"database-url": started.database, "keys": started.known["review_keys"], "audit-key": started.known["audit_key"]})


def values(started: Servers, **more: Any) -> dict[str, Any]:
    """Return the chart's values for these servers; `more` replaces the top-level keys that it names."""
    repository, tag = image()
    here = {"nodeSelector": {"kubernetes.io/hostname": started.node}}
    own = {"repository": repository, "tag": tag}
    small = {"requests": {"cpu": "20m", "memory": "256Mi"}, "limits": {"cpu": "2", "memory": "2Gi"}}
    return {
        "fullnameOverride": RELEASE, "hostNetwork": True, "images": {"platform": own, "gpu": own, "worker": own},
        "objectStore": {"url": f"{STORE}/objects"},
        "platform": {"extraVolumes": [shared_folder(started.space.name)], "extraVolumeMounts": [{"name": "shared", "mountPath": STORE}]},
        "codeLocation": {"port": started.port("code"), "resources": small, "dagsterPostgresSecret": DAGSTER_SECRET} | here,
        "runs": {"resources": small} | here, "migrations": {"resources": small, "backoffLimit": 0, "activeDeadlineSeconds": 240},
        "worker": {"enabled": False}, "gateway": {"enabled": False}, "tests": {"host": "127.0.0.1"},
        "serving": {"enabled": True, "replicas": 1, "resources": small,
                    "ports": {"http": started.port("search-api"), "monitor": started.port("search-api-health")}} | here,
        "podDisruptionBudgets": {"enabled": serves("policy/v1")},
    } | more


@contextmanager
def installed(started: Servers, chosen: dict[str, Any]) -> Iterator[Config]:
    """Install the chart and yield Helm's view of the namespace; uninstall what is left of it at the end."""
    with Config(kubeconfig_path=configuration(), namespace=started.space.name) as helm:
        helm.install(str(CHART), RELEASE, chosen, namespace=started.space.name, wait="watcher", timeout=300)
        try:
            yield helm
        finally:
            if helm.list():
                helm.uninstall(RELEASE, timeout=120)


def dagster(started: Servers) -> tuple[dict[str, Any], ...]:
    """Return Dagster's pod, its configuration and its account, which may start the Jobs of runs."""
    may = [{"apiGroups": ["batch"], "resources": ["jobs", "jobs/status"], "verbs": ["create", "get", "list", "watch", "delete", "patch"]},
           {"apiGroups": [""], "resources": ["pods", "pods/log", "pods/status", "events"], "verbs": ["get", "list", "watch", "delete"]}]
    rbac = "rbac.authorization.k8s.io"
    return (
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "dagster"}},
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": {"name": "dagster"}, "rules": may},
        {"apiVersion": f"{rbac}/v1", "kind": "RoleBinding", "metadata": {"name": "dagster"},
         "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "dagster"},
         "subjects": [{"kind": "ServiceAccount", "name": "dagster", "namespace": started.space.name}]},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "dagster-instance"},
         "data": {"dagster.yaml": yaml.safe_dump(_instance(started)), "workspace.yaml": yaml.safe_dump(_workspace(started))}},
        _dagster_pod(started),
    )


def _instance(started: Servers) -> dict[str, Any]:
    """Return the project's rules for instances, with storage and launcher of a cluster; what is dead is seen sooner."""
    rules = yaml.safe_load((Path(kb_platform.local.__path__[0]) / "dagster.yaml").read_text())
    server = urlsplit(started.database)
    launcher = {
        "job_namespace": started.space.name, "service_account_name": "dagster", "instance_config_map": "dagster-instance", "load_incluster_config": True,
        "dagster_home": "/opt/dagster", "postgres_password_secret": DAGSTER_SECRET, "image_pull_policy": "IfNotPresent",
    }
    return rules | {
        "run_monitoring": rules["run_monitoring"] | {"poll_interval_seconds": 5, "cancel_timeout_seconds": 30},
        "run_launcher": {"module": "dagster_k8s", "class": "K8sRunLauncher", "config": launcher},
        "storage": {"postgres": {"postgres_db": {
            "username": server.username, "password": {"env": "DAGSTER_PG_PASSWORD"}, "hostname": server.hostname, "port": server.port,
            "db_name": "dagster", "scheme": "postgresql+psycopg2"}}},
        "local_artifact_storage": {"module": "dagster.core.storage.root", "class": "LocalArtifactStorage", "config": {"base_dir": "/tmp/artifacts"}},
        "compute_logs": {"module": "kb_platform.resources.step_logs", "class": "ObjectStoreComputeLogManager",
                         "config": {"url": f"{STORE}/objects", "local_dir": "/tmp/step-logs"}},
    }


def _workspace(started: Servers) -> dict[str, Any]:
    return {"load_from": [{"grpc_server": {"host": "127.0.0.1", "port": started.port("code"), "location_name": "kb_platform"}}]}


def _dagster_pod(started: Servers) -> dict[str, Any]:
    variables = [
        {"name": "DAGSTER_HOME", "value": "/opt/dagster"}, {"name": "HOME", "value": "/tmp"},
        {"name": "DAGSTER_PG_PASSWORD", "valueFrom": {"secretKeyRef": {"name": DAGSTER_SECRET, "key": "postgresql-password"}}},
    ]
    mounts = [{"name": "instance", "mountPath": "/opt/dagster"}, {"name": "tmp", "mountPath": "/tmp"}, {"name": "shared", "mountPath": STORE}]

    def container(name: str, *command: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "image": ":".join(image()), "imagePullPolicy": "IfNotPresent", "command": [*command, "-w", "/opt/dagster/workspace.yaml"],
                "env": variables, "volumeMounts": mounts} | more

    port = started.port("pages")
    answers = f"import urllib.request; urllib.request.urlopen('http://127.0.0.1:{port}/server_info', timeout=5)"
    spec = on_node(started.node) | {
        "serviceAccountName": "dagster", "securityContext": {"runAsUser": NOBODY, "runAsGroup": NOBODY, "fsGroup": NOBODY},
        "terminationGracePeriodSeconds": 5,
        "volumes": [{"name": "instance", "configMap": {"name": "dagster-instance"}}, {"name": "tmp", "emptyDir": {}}, shared_folder(started.space.name)],
        "containers": [
            container("webserver", "dagster-webserver", "-h", "127.0.0.1", "-p", str(port),
                      readinessProbe={"exec": {"command": ["python", "-c", answers]}, "periodSeconds": 3, "timeoutSeconds": 10}),
            container("daemon", "dagster-daemon", "run"),
        ],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "dagster"}, "spec": spec}
