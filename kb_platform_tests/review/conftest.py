"""A real Postgres with both schemas, and a real Temporal server that tests stop and start."""

import asyncio
import itertools
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.service import RPCError

from kb_platform.cli import session
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.resources.reviews import review_database_url
from kb_platform.review.service import Address
from kb_platform.settings import SHIPPED_DEFS, Settings
from kb_platform.storage.stores import Store
from kb_platform_tests.homes import at_home, serving_home
from kb_platform_tests.made_folders import made_folder
from kb_platform_tests.storage.made_releases import MadeReleases
from kb_review_worker.storage.migrate import migrate

KEYS = {"k1": b"\1" * 32}
NUMBERS = itertools.count(1)  # of knowledge bases
ATTRIBUTES = ("CaseKind=Keyword", "KnowledgeBase=Keyword", "Assignee=Keyword", "ReviewStatus=Keyword", "EscalationLevel=Int", "DueAt=Datetime")


class TemporalServer:
    """The real server on a port that stays the same; what it was told outlives a stop."""

    def __init__(self, folder: Path) -> None:
        self.binary = shutil.which("temporal", path=str(Path(sys.executable).parent)) or pytest.skip("temporal is not installed")
        self.folder, self.process = folder, None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    @property
    def address(self) -> Address:
        """Return where it answers, or would."""
        return Address(f"127.0.0.1:{self.port}", "review", keys=KEYS, patience=timedelta(seconds=30))

    def start(self) -> None:
        """Start it, and return when it answers."""
        attributes = [word for attribute in ATTRIBUTES for word in ("--search-attribute", attribute)]
        self.process = subprocess.Popen(
            [self.binary, "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(self.port), "--namespace", "review",
             "--db-filename", str(self.folder / "temporal.db"), "--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=NORMAL",
             "--log-level", "error", *attributes], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not self.answers():
            assert self.process.poll() is None, "the server has ended"
            time.sleep(0.05)

    def answers(self) -> bool:
        """Return whether it serves its namespace: its port is open some time before that, and then it calls itself not healthy yet."""
        with suppress(RuntimeError, RPCError):
            return asyncio.run(self._knows_its_namespace())
        return False

    async def _knows_its_namespace(self) -> bool:
        client = await Client.connect(self.address.frontend, namespace="review")
        await client.count_workflows()
        return True

    def stop(self) -> None:
        """Kill it, as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture(scope="package")
def served() -> Iterator[Settings]:
    """Yield the settings of a home whose Postgres runs to the end."""
    with serving_home("kb-review-hand-off-", SHIPPED_DEFS) as chosen:
        yield chosen


@pytest.fixture(scope="module", autouse=True)
def home(served: Settings) -> Iterator[None]:
    """Let a module's tests work in that home, where the review worker has its schema too."""
    with at_home(served):
        migrate(review_database_url())
        yield


@pytest.fixture(scope="package")
def temporal() -> Iterator[TemporalServer]:
    """Yield a server; a test that stops it starts it again."""
    with made_folder("kb-temporal-") as folder:
        server = TemporalServer(folder)
        try:
            server.start()
            yield server
        finally:
            server.stop()


@pytest.fixture
def kb(home: None, tmp_path: Path) -> KnowledgeBase:
    """Return a knowledge base of the test's own, without sources."""
    return KnowledgeBase(f"r{next(NUMBERS)}", tmp_path, (), date(2026, 1, 1))


@pytest.fixture
def store(kb: KnowledgeBase) -> Store:
    """Return its stores."""
    return session.store(kb.name)


@pytest.fixture
def releases(store: Store) -> MadeReleases:
    """Return how its releases are made."""
    return MadeReleases(store.database)
