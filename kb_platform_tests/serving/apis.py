"""Search APIs in processes of their own, as `kb up` starts them, and how tests ask them."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from kb_platform.local.environment import environment
from kb_platform.serving.address import announcement
from kb_platform.settings import Settings
from kb_platform_tests.waiting import wait_until

TIMEOUT = 300  # seconds for an answer
LISTENS = re.compile(r"search API on (http://\S+)\"")


@dataclass
class Api:
    """A running API."""

    url: str
    process: subprocess.Popen
    log: Path
    http: httpx.Client
    settings: dict[str, object]
    announced: str

    def get(self, path: str, key: str | None = None, **more: Any) -> httpx.Response:
        """Ask for a path, perhaps with a key."""
        return self.http.get(path, headers=_shown(key), **more)

    def post(self, path: str, body: Any, key: str | None = None) -> httpx.Response:
        """Send JSON, perhaps with a key."""
        return self.http.post(path, json=body, headers=_shown(key))

    def search(self, base: str, question: str, **more: Any) -> dict[str, Any]:
        """Return the answer to one question."""
        answer = self.post(f"/v1/{base}/search", {"question": question} | more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def said(self) -> list[dict[str, Any]]:
        """Return the lines of its log."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]


def _shown(key: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


@contextmanager
def api(served: Settings, *, database: str | None = None, **settings: object) -> Iterator[Api]:
    """Yield an API over a home, or over another database; `settings` are its own, without their prefix."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        own = {f"KB_SERVE_{name.upper()}": str(value) for name, value in ({"timeout": TIMEOUT} | settings).items()}
        variables = {k: v for k, v in os.environ.items() if not k.startswith("KB_")} | environment(served) | own
        variables |= {"KB_DATABASE_URL": database} if database else {}
        announcement(served.home).unlink(missing_ok=True)  # so that this one is announced, whichever runs already
        with log.open("w") as stream:
            process = subprocess.Popen([sys.executable, "-m", "kb_platform.serving"], env=variables, stderr=stream, stdin=subprocess.DEVNULL)
        try:
            url = wait_until(lambda: _address(process, log), "the API listens")
            with httpx.Client(base_url=url, timeout=TIMEOUT, trust_env=False) as http:
                yield Api(url, process, log, http, settings, _said(served))
        finally:
            process.terminate()
            process.wait(TIMEOUT)


def _said(served: Settings) -> str:
    """Return what the server has written for commands of its home."""
    path = announcement(served.home)
    return path.read_text() if path.exists() else ""


def _address(process: subprocess.Popen, log: Path) -> str:
    found = LISTENS.search(log.read_text())
    assert process.poll() is None, log.read_text()
    return found[1] if found else ""
