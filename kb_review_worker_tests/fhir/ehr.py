"""A FHIR server that we did not write, on a socket: Medplum's, from the npm registry; and a scripted OAuth 2.0 token endpoint."""

import base64
import fcntl
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

FOLDER = Path(__file__).parent


def install(folder: Path = FOLDER, what: str = "the FHIR server") -> None:
    """Install what a folder's package-lock.json pins, once; skips, saying so, where that cannot be done."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip(f"node and npm are not installed: {what} is not started")
    with (folder / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "node_modules" / ".package-lock.json").exists():
            done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder, capture_output=True, text=True, timeout=240)
            if done.returncode:
                pytest.skip(f"npm ci failed, {what} is not started: {done.stderr.strip().splitlines()[-1:]}")


@dataclass
class Ehr:
    """The server's process. What was stored survives a restart."""

    journal: Path
    require_tokens: bool = False
    port: int = 0
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, on the port that it had before."""
        words = ["node", "--experimental-websocket", "--no-warnings", "server.mjs", str(self.journal), str(self.port)]
        self.process = subprocess.Popen([*words, *(["tokens"] if self.require_tokens else [])], cwd=FOLDER, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        self.port = int(self.process.stdout.readline())

    def stop(self) -> None:
        """Kill it."""
        assert self.process and self.process.stdout
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def served(answer: Callable[[BaseHTTPRequestHandler, bytes], tuple[int, dict[str, str], bytes]]) -> ThreadingHTTPServer:
    """Return a running HTTP server on a free loopback port that answers every request as the function says."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            status, headers, said = answer(self, body)
            self.send_response(status)
            for name, value in (headers | {"content-length": str(len(said))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_POST = do_PUT = handle_any

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server


@dataclass
class TokenEndpoint:
    """Gives tokens that the EHR takes for `life` seconds, and says that they live `said` seconds."""

    life: float = 60
    said: float = 60
    status: int = 200
    asked: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Answer one request."""
        login = base64.b64decode(request.headers.get("authorization", "").removeprefix("Basic ")).decode()
        self.asked.append({"login": login} | {name: values[0] for name, values in parse_qs(body.decode()).items()})
        if self.status != 200:
            return self.status, {}, b'{"error": "invalid_client"}'
        token = f"t.{int((time.time() + self.life) * 1000)}"
        said = {"access_token": token, "token_type": "Bearer", "expires_in": self.said}
        return 200, {"content-type": "application/json"}, json.dumps(said).encode()
