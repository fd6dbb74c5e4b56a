"""A real HTTP server on the loopback that speaks OpenAI's protocol, and says what a test wants it to say."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from kb_platform.quality.judges.endpoint import Endpoint

PROMPT_TOKENS, COMPLETION_TOKENS = 100, 10


@dataclass(frozen=True)
class Reply:
    """One HTTP response; `cut` sends fewer bytes than it promises, `delay` is slept before it, `drip` after each of its bytes."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut: bool = False
    drip: float = 0.0


def completion(content: str | None, finish_reason: str = "stop") -> Reply:
    """Return what an endpoint says that works."""
    value = {"choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": finish_reason}],
             "usage": {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": COMPLETION_TOKENS}}
    return Reply(json.dumps(value).encode())


def error(status: int, code: str = "", **headers: str) -> Reply:
    """Return an error in OpenAI's shape, whose message quotes the prompt."""
    body = json.dumps({"error": {"code": code, "message": "the prompt was: SECRET"}}).encode()
    return Reply(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


def agreeing(request: dict[str, Any]) -> Reply:
    """Return what a judge says that finds everything right: two of whatever is asked, or an answer where nothing is."""
    return judging(request, "yes")


def judging(request: dict[str, Any], *verdicts: str) -> Reply:
    """Return a judge's reply with these verdicts, one or two; the last one is repeated."""
    asked = request.get("response_format", {}).get("json_schema", {}).get("schema", {}).get("properties")
    if not asked:
        return completion("Four hours.")
    name = next(iter(asked))
    if name != "verdicts":
        return completion(json.dumps({name: ["one", "two"]}))
    both = (verdicts * 2)[:2] if len(verdicts) == 1 else verdicts
    return completion(json.dumps({"verdicts": [{"verdict": v, "reason": "as scripted", "statement": "one"} for v in both]}))


Script = Callable[[dict[str, Any]], Reply]


class ScriptedEndpoint:
    """What was asked, and how it is answered: `script` may be changed while it runs."""

    def __init__(self, script: Script) -> None:
        self.script, self.requests, self.authorization = script, list[dict[str, Any]](), set[str | None]()
        self.open, self.most_open, self.port = 0, 0, 0
        self.lock = threading.Lock()

    def endpoint(self, **more: Any) -> Endpoint:
        """Return the address as the platform knows it."""
        return Endpoint(f"http://127.0.0.1:{self.port}/v1", "scripted", **{"timeout": 120.0, "concurrency": 2} | more)


@contextmanager
def serving(script: Script = agreeing, path: str = "/v1/chat/completions") -> Iterator[ScriptedEndpoint]:
    """Yield an endpoint that answers requests to a path by a script."""
    scripted = ScriptedEndpoint(script)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None: ...

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with scripted.lock:
                scripted.requests.append(request)
                scripted.authorization.add(self.headers["authorization"])
                scripted.open += 1
                scripted.most_open = max(scripted.most_open, scripted.open)
            reply = scripted.script(request) if self.path == path else error(404)
            time.sleep(reply.delay)
            with scripted.lock:
                scripted.open -= 1
            try:
                self._send(reply)
            except OSError:
                self.close_connection = True

        def _send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, value in {"content-length": str(len(reply.body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            body = reply.body[:-20] if reply.cut else reply.body
            for piece in ([bytes([byte]) for byte in body] if reply.drip else [body]):
                self.wfile.write(piece)
                time.sleep(reply.drip)
            self.close_connection = reply.cut

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    scripted.port = server.server_address[1]
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01), daemon=True)
    thread.start()
    try:
        yield scripted
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
