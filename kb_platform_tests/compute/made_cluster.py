"""A cluster at the end of a real socket: it speaks as much of Kubernetes' API as dagster-k8s asks, and its pods are processes.

A test decides what becomes of a pod: that no node takes it, or that it is replaced when it dies, as older versions do.
"""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOOLS = Path(sys.executable).parent
UNSCHEDULED = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
OBJECTS = re.compile(r"/(?:api/v1|apis/batch/v1)/namespaces/[^/]+/(jobs|pods)(?:/([^/]+))?(?:/status)?")
LOOKS_BEFORE_DEADLINE = 3


@dataclass
class Pod:
    """A Job and its one pod."""

    job: dict[str, Any]
    process: subprocess.Popen[bytes] | None = None
    looks: int = 0
    replaced: bool = False


@dataclass
class MadeCluster:
    """Jobs by name, those that were deleted too; ops that no node takes, and ops whose pods are replaced."""

    folder: Path
    unscheduled: set[str] = field(default_factory=set)
    replacing: set[str] = field(default_factory=set)
    pods: dict[str, Pod] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def create(self, job: dict[str, Any]) -> dict[str, Any]:
        pod = self.pods[job["metadata"]["name"]] = Pod(job)
        if op_of(job) not in self.unscheduled:
            pod.process = self._started(job)
        return job

    def delete(self, name: str) -> None:
        if (pod := self.pods.pop(name, None)) is not None:
            self.deleted.append(name)
            if pod.process:
                pod.process.terminate()
                pod.process.wait()

    def listed(self, kind: str, selector: str) -> list[dict[str, Any]]:
        wanted = dict(part.split("=") for part in selector.split(",") if part)
        if kind == "pods":
            return [self._pod(pod) for name, pod in self.pods.items() if wanted.items() <= ({"job-name": name} | pod.job["metadata"]["labels"]).items()]
        return [self.job(name) for name, pod in self.pods.items() if wanted.items() <= pod.job["metadata"]["labels"].items()]

    def job(self, name: str) -> dict[str, Any]:
        pod = self.pods[name]
        code = pod.process.poll() if pod.process else None
        if code and op_of(pod.job) in self.replacing and not pod.replaced:
            pod.process, pod.replaced, code = self._started(pod.job), True, None
        pod.looks += 1
        if code == 0:
            status: dict[str, Any] = {"succeeded": 1, "completionTime": "2026-01-01T00:00:00Z"}
        elif code is not None:
            status = {"failed": 1, "conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]}
        elif pod.process is None and pod.looks > LOOKS_BEFORE_DEADLINE:
            status = {"failed": 1, "conditions": [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}]}
        else:
            status = {"active": 1}
        return pod.job | {"status": status}

    def _pod(self, pod: Pod) -> dict[str, Any]:
        metadata = {"name": pod.job["metadata"]["name"], "labels": pod.job["metadata"]["labels"]}
        if pod.process is None:
            return {"metadata": metadata, "status": {"phase": "Pending", "conditions": [
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": UNSCHEDULED}]}}
        code = pod.process.poll()
        if code is None:
            return {"metadata": metadata, "status": {"phase": "Running"}}
        state = {"terminated": {"exitCode": code if code >= 0 else 128 - code, "reason": "Error" if code else "Completed"}}
        status = {"name": "dagster", "image": "", "imageID": "", "ready": False, "restartCount": 0, "state": state}
        return {"metadata": metadata, "status": {"phase": "Failed" if code else "Succeeded", "containerStatuses": [status]}}

    def _started(self, job: dict[str, Any]) -> subprocess.Popen[bytes]:
        (container,) = job["spec"]["template"]["spec"]["containers"]
        environment = {v["name"]: v["value"] for v in container["env"] if "value" in v} | {"DAGSTER_HOME": str(self.folder)}
        environment["PATH"] = os.pathsep.join([str(TOOLS), os.environ["PATH"]])
        interpreter, *arguments = [*container["command"], *container["args"]]
        with (self.folder / f"{job['metadata']['name']}.log").open("ab") as log:
            return subprocess.Popen([TOOLS / interpreter, *arguments], env=os.environ | environment, stdout=log, stderr=log)


def op_of(job: dict[str, Any]) -> str:
    return job["metadata"]["labels"]["dagster/op"]


class ApiServer(ThreadingHTTPServer):
    """Serves a cluster's API on a free port."""

    def __init__(self, cluster: MadeCluster) -> None:
        super().__init__(("127.0.0.1", 0), Api)
        self.cluster = cluster


class Api(BaseHTTPRequestHandler):
    """The few calls that dagster-k8s makes."""

    server: ApiServer

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        found = OBJECTS.fullmatch(address.path)
        assert found is not None, self.path
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.cluster.lock:
            code, answer = self._objects(found[1], found[2], parse_qs(address.query), body)
        said = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_POST = do_DELETE = do_GET

    def _objects(self, kind: str, name: str | None, query: dict[str, list[str]], body: bytes) -> tuple[int, dict[str, Any]]:
        cluster = self.server.cluster
        if self.command == "POST":
            return 201, cluster.create(json.loads(body))
        if name is None:
            return 200, {"items": cluster.listed(kind, query["labelSelector"][0])}
        if name not in cluster.pods:
            return 404, {"kind": "Status", "code": 404, "reason": "NotFound"}
        if self.command == "DELETE":
            cluster.delete(name)
            return 200, {"kind": "Status", "status": "Success"}
        return 200, cluster.job(name)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serving_cluster(folder: Path) -> Iterator[tuple[MadeCluster, str]]:
    """Yield a cluster and the address of its API."""
    cluster = MadeCluster(folder)
    with ApiServer(cluster) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield cluster, f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            for name in list(cluster.pods):
                cluster.delete(name)
