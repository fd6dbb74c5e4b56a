"""The cluster that KUBECONFIG names, seen through Kubernetes' own client: a namespace for a while, and what is in it."""

import os
import secrets
import shlex
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import kubernetes
import pytest
from kubernetes.client import ApiException
from kubernetes.stream import portforward, stream

GPU = "nvidia.com/gpu"
Found = TypeVar("Found")


def configuration() -> Path:
    """Return the kubeconfig of the cluster; skips where there is none, or no image to run in it."""
    named = os.environ.get("KUBECONFIG")
    if not named:
        pytest.skip("KUBECONFIG is not set: these tests need a cluster (docs/compute.md says how)")
    if not os.environ.get("KB_TEST_IMAGE"):
        pytest.skip("KB_TEST_IMAGE is not set: these tests need an image that the cluster's nodes have (docs/compute.md says how)")
    return Path(named)


def image() -> tuple[str, str]:
    """Return repository and tag of KB_TEST_IMAGE."""
    repository, _, tag = os.environ["KB_TEST_IMAGE"].rpartition(":")
    return repository, tag


@contextmanager
def api() -> Iterator[kubernetes.client.ApiClient]:
    """Yield a client of its own: Kubernetes' streams change the one that they use."""
    with kubernetes.config.new_client_from_config(str(configuration())) as client:
        yield client
        client.rest_client.pool_manager.clear()


def eventually(what: str, ask: Callable[[], Found], patience: float = 120, every: float = 1) -> Found:
    """Return the first answer that is true; fails with the last one."""
    deadline = time.monotonic() + patience
    while not (found := ask()):
        assert time.monotonic() < deadline, f"not within {patience:.0f} s: {what}; last seen: {found!r}"
        time.sleep(every)
    return found


@dataclass(frozen=True)
class Namespace:
    """One namespace."""

    name: str
    client: kubernetes.client.ApiClient = field(repr=False)

    @property
    def core(self) -> kubernetes.client.CoreV1Api:
        return kubernetes.client.CoreV1Api(self.client)

    @property
    def batch(self) -> kubernetes.client.BatchV1Api:
        return kubernetes.client.BatchV1Api(self.client)

    def create(self, *objects: dict[str, Any]) -> None:
        for made in objects:
            eventually(f"{made['kind']} is made", lambda made=made: self._create(made), patience=30)

    def _create(self, made: dict[str, Any]) -> bool:
        try:
            kubernetes.utils.create_from_dict(self.client, made, namespace=self.name)
        except kubernetes.utils.FailToCreateError as error:
            if any(refused.status != 500 for refused in error.api_exceptions):
                raise
            return False  # older clusters make an account's token a moment after the account, and say so
        return True

    def pods(self, selector: str = "") -> list[Any]:
        return self.core.list_namespaced_pod(self.name, label_selector=selector).items

    def pod(self, name: str) -> Any:
        return self.core.read_namespaced_pod(name, self.name)

    def jobs(self, selector: str = "") -> list[Any]:
        return self.batch.list_namespaced_job(self.name, label_selector=selector).items

    def kill(self, pod: str) -> None:
        """Delete a pod without a chance to say anything."""
        self.core.delete_namespaced_pod(pod, self.name, grace_period_seconds=0)

    def ready(self, pod: str, patience: float = 180) -> None:
        """Return when all containers of a pod are ready."""

        def is_ready() -> bool:
            status = self.pod(pod).status
            assert status.phase != "Failed", self.said(pod)
            return any(c.type == "Ready" and c.status == "True" for c in status.conditions or ())

        eventually(f"{pod} is ready", is_ready, patience)

    def said(self, pod: str) -> str:
        """Return the output of a pod's containers."""
        names = [container.name for container in self.pod(pod).spec.containers]
        logs = []
        for name in names:
            with suppress(ApiException):
                logs.append(f"{name}: {self.core.read_namespaced_pod_log(pod, self.name, container=name, tail_lines=60)}")
        return "\n".join(logs)

    def run(self, pod: str, command: Sequence[str] | str, container: str | None = None) -> str:
        """Run a command in a pod and return its output."""
        argv = shlex.split(command) if isinstance(command, str) else list(command)
        more = {"container": container} if container else {}
        with api() as client:
            shell = stream(kubernetes.client.CoreV1Api(client).connect_get_namespaced_pod_exec, pod, self.name, command=argv, stdout=True,
                           stderr=True, _preload_content=False, **more)
            shell.run_forever(timeout=120)
            out, err, code = shell.read_stdout(), shell.read_stderr(), shell.returncode
            shell.sock.shutdown()  # closes the connection; close() does so only while the other side is there
        assert code == 0, f"{argv}: {code}: {out[-2000:]} {err[-4000:]}"
        return out

    @contextmanager
    def forwarded(self, pod: str, port: int) -> Iterator[int]:
        """Yield a port of this machine that leads to a port of a pod."""

        class Tunnel(socketserver.BaseRequestHandler):
            def handle(handler) -> None:  # noqa: N805  `self` is the namespace
                with api() as client:
                    far = portforward(kubernetes.client.CoreV1Api(client).connect_get_namespaced_pod_portforward, pod, self.name, ports=str(port))
                with closing(far.socket(port)) as other:
                    back = threading.Thread(target=_pump, args=(other, handler.request), daemon=True)
                    back.start()
                    _pump(handler.request, other)
                    back.join()

        with _Server(("127.0.0.1", 0), Tunnel) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            try:
                yield server.server_address[1]
            finally:
                server.shutdown()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextmanager
def namespace(prefix: str) -> Iterator[Namespace]:
    """Yield a new namespace; when it is left, it is deleted, and gone."""
    with api() as client:
        made = Namespace(f"{prefix}-{secrets.token_hex(3)}", client)
        made.core.create_namespace({"metadata": {"name": made.name, "labels": {"kb-platform/test": "true"}}})
        try:
            yield made
        finally:
            made.core.delete_namespace(made.name)
            eventually(f"{made.name} is deleted", lambda: _is_gone(made), patience=180)


def _is_gone(deleted: Namespace) -> bool:
    try:
        deleted.core.read_namespace(deleted.name)
    except ApiException as error:
        return error.status == 404
    return False


def serves(group_version: str) -> bool:
    """Tell whether the cluster knows a version of an API group: older ones have no policy/v1."""
    with api() as client:
        groups = kubernetes.client.ApisApi(client).get_api_versions().groups
    return any(version.group_version == group_version for group in groups for version in group.versions)


def gpu_node() -> tuple[str, int]:
    """Return a node with GPUs, and how many it has; skips where there is none."""
    with api() as client:
        nodes = kubernetes.client.CoreV1Api(client).list_node().items
    for node in nodes:
        if count := int(node.status.allocatable.get(GPU, 0)):
            return node.metadata.labels["kubernetes.io/hostname"], count
    pytest.skip(f"no node of the cluster offers {GPU}: docs/compute.md says how to pretend one")
