"""A real HTTP server on the loopback that serves folders as the Hugging Face Hub serves models, as far as huggingface_hub asks."""

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMIT = "1" * 40


@dataclass
class ScriptedHub:
    """Its address, and the paths that were asked for."""

    url: str
    paths: list[str] = field(default_factory=list)


@contextmanager
def serving_models(models: Mapping[str, Path]) -> Iterator[ScriptedHub]:
    """Yield a hub with these models, by their ids, each at `COMMIT`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None: ...

        def do_HEAD(self) -> None:
            self.answer(with_body=False)

        def do_GET(self) -> None:
            self.answer(with_body=True)

        def answer(self, *, with_body: bool) -> None:
            path = self.path.partition("?")[0]
            hub.paths.append(path)
            content = next((found for name, folder in models.items() if (found := _content(path, name, folder)) is not None), b"{}")
            known = content != b"{}"
            self.send_response(200 if known else 404)
            headers = {"x-repo-commit": COMMIT, "etag": f'"{hashlib.sha1(content).hexdigest()}"'} if known else {"x-error-code": "RepoNotFound"}
            for header, value in {"content-length": str(len(content)), "content-type": "application/json", **headers}.items():
                self.send_header(header, value)
            self.end_headers()
            if with_body:
                self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub = ScriptedHub(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _content(path: str, name: str, folder: Path) -> bytes | None:
    """Return what is at a path of a model: the list of its files, or one of them."""
    if path == f"/api/models/{name}/tree/{COMMIT}":
        return json.dumps([_entry(file, folder) for file in sorted(folder.rglob("*")) if file.is_file()]).encode()
    start = f"/{name}/resolve/{COMMIT}/"
    return (folder / path.removeprefix(start)).read_bytes() if path.startswith(start) else None


def _entry(file: Path, folder: Path) -> dict[str, Any]:
    content = file.read_bytes()
    return {"type": "file", "path": str(file.relative_to(folder)), "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
