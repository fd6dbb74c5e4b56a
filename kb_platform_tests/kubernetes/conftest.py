"""What the tests in a cluster share: the platform, installed once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import psycopg
import pytest

from kb_platform_tests.kubernetes.cluster import GPU, Namespace, configuration, gpu_node
from kb_platform_tests.kubernetes.deployment import NO_GPU_ASKED, Servers, dagster, installed, servers, values
from kb_platform_tests.kubernetes.knowledge_bases import CAPTURED, DAY, INLINE, WRITE
from kb_platform_tests.kubernetes.runs import Dagster


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test the time of pods that start, and of what it installs first."""
    for item in items:
        if "kb_platform_tests/kubernetes/" in item.path.as_posix():
            item.add_marker(pytest.mark.timeout(900))


@dataclass(frozen=True)
class Platform:
    """An installed platform."""

    servers: Servers
    dagster: Dagster
    gpus: int

    @property
    def space(self) -> Namespace:
        return self.servers.space

    @contextmanager
    def database(self) -> Iterator[psycopg.Connection]:
        """Yield a connection to the knowledge bases' database."""
        far = urlsplit(self.servers.database)
        with self.space.forwarded("servers", far.port or 0) as port, psycopg.connect(
            host="127.0.0.1", port=port, user=far.username, password=far.password, dbname=far.path[1:], autocommit=True
        ) as connection:
            yield connection


@pytest.fixture(scope="session")
def node() -> tuple[str, int]:
    """Return the node with GPUs that all pods are put on, and how many it has."""
    configuration()
    return gpu_node()


@pytest.fixture(scope="session")
def platform(node: tuple[str, int]) -> Iterator[Platform]:
    """Yield the platform with steps in pods; Dagster's pages answer."""
    name, gpus = node
    with servers("kb-embed", name) as started:
        started.space.run("servers", ["python", "-c", WRITE], container="servers")
        compute = {
            "cpu": "20m", "memory": "1Gi", "env": NO_GPU_ASKED, "node_selector": {"kubernetes.io/hostname": name},
            "tolerations": [{"key": GPU}], "run_pods": {"cpu": "20m", "memory": "1Gi", "node_selector": {"kubernetes.io/hostname": name}},
        }
        chosen = values(started, knowledgeBases={"inline": INLINE}, gpu={"enabled": True, "quota": gpus}, compute=compute)
        chosen["runs"]["steps"] = "kubernetes"
        with installed(started, chosen):
            started.space.create(*dagster(started))
            started.space.ready("dagster")
            with started.space.forwarded("dagster", started.port("pages")) as port:
                found = Platform(started, Dagster(f"http://127.0.0.1:{port}"), gpus)
                for run in [found.dagster.launch(f"{kb}_ingest", DAY) for kb in CAPTURED]:
                    assert found.dagster.ended(run) == "SUCCESS", found.dagster.story(run)
                yield found
