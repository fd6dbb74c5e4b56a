"""A webserver that starts on a busy machine: slow, broken and failing answers over a real socket are none yet, and no error."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from kb_platform.local import dagster_pages, processes
from kb_platform.local.dagster_pages import CodeLocation, answers, code_locations, daemon_lives
from kb_platform.local.postgres import silent
from kb_platform.local.programs import Program, record_path, wait
from kb_platform_tests.waiting import PATIENCE

LOADED = {"data": {"workspaceOrError": {"locationEntries": [{"name": "good", "locationOrLoadError": {}}]}}}
ALIVE = {"data": {"instance": {"daemonHealth": {"allDaemonStatuses": [{"daemonType": "SENSOR", "required": True, "lastHeartbeatTime": 50.0}]}}}}
NOT_YET = ["late", "500", "cut", "no http", "no json", {"errors": ["the database went away"]}, {"data": None}]


@dataclass
class Pages:
    """What a webserver says, one answer after the other, the last one again and again."""

    url: str
    script: list[Any]
    asked: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    def next(self) -> Any:
        self.asked += 1
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]


@contextmanager
def serving(*script: Any) -> Iterator[Pages]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.do_GET()

        def do_GET(self) -> None:
            said = pages.next()
            if said == "late":
                pages.ended.wait()
            elif said == "no http":
                self.wfile.write(b"busy\r\n\r\n")
            else:
                body = json.dumps(said).encode() if isinstance(said, dict) else said.encode()
                self.send_response(500 if said == "500" else 200)
                self.send_header("content-length", str(len(body) + (said == "cut")))
                self.end_headers()
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    pages = Pages(f"http://127.0.0.1:{server.server_address[1]}", list(script))
    threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01), daemon=True).start()
    try:
        yield pages
    finally:
        pages.ended.set()
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def soon_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an answer be late after a second: right ones come at once, whatever the machine is at."""
    monkeypatch.setattr(dagster_pages, "TIMEOUT", 1)
    monkeypatch.setattr(dagster_pages, "STARTING", 1)


@pytest.mark.parametrize("said", NOT_YET, ids=str)
def test_an_answer_that_is_none_is_no_error(said: Any) -> None:
    with serving(said) as pages:
        assert (answers(pages.url), code_locations(pages.url), daemon_lives(pages.url, 0)) == (False, (), False)


def test_the_code_is_asked_for_until_an_answer_comes_or_the_patience_ends() -> None:
    with serving(*NOT_YET, LOADED) as pages:
        assert code_locations(pages.url, PATIENCE) == (CodeLocation("good", None),)
        assert pages.asked > len(NOT_YET)
    with serving("500") as pages:
        assert code_locations(pages.url, 0.5) == ()


def test_what_starts_is_waited_for_through_answers_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "dagster").mkdir()
    processes.this_process().save(record_path(tmp_path, "daemon"))
    with serving(*NOT_YET, ALIVE) as pages:
        program = Program("daemon", "Dagster's daemon", (), {}, {}, lambda: daemon_lives(pages.url, 40), "waiting")
        wait(tmp_path, program, silent, PATIENCE)
        assert pages.asked > len(NOT_YET)
        assert not daemon_lives(pages.url, 60), "its last sign of life is older"
