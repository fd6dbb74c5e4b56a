"""What a terminal shows when a refresh is stopped in the midst of computing vectors: one sentence, soon."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kb_platform.cli import session
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.local.environment import ensure_database
from kb_platform_tests.flow.test_crashes import kill_server, reaches, start_refresh, text
from kb_platform_tests.waiting import PATIENCE

MakeKb = Callable[..., KnowledgeBase]
PAGES = 120  # of six chunks: two groups of texts


@contextmanager
def refresh_at_its_vectors(make_kb: MakeKb, reached: Path) -> Iterator[subprocess.Popen]:
    """Yield a refresh that waits in the midst of its first group of texts, while the second one is computed."""
    kb = make_kb({f"{n}.md": text(n, 0) for n in range(PAGES)})
    process = start_refresh(kb, kb.today().isoformat(), "vectors", 1, reached)
    try:
        reaches(process, reached)
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def test_ctrl_c_is_one_sentence(make_kb: MakeKb, tmp_path: Path) -> None:
    with refresh_at_its_vectors(make_kb, tmp_path / "reached") as process:
        os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it: to children as well
        _, said = process.communicate(timeout=PATIENCE)  # nobody ends its waiting but itself
    assert (process.returncode, said.strip()) == (130, "interrupted: what is done stays done, the next refresh continues there")


def test_a_lost_database_is_one_sentence(make_kb: MakeKb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KB_STEP_PATIENCE", "3")
    with refresh_at_its_vectors(make_kb, tmp_path / "reached") as process:
        try:
            kill_server()
            (tmp_path / "reached").unlink()
            _, said = process.communicate(timeout=PATIENCE)
        finally:
            ensure_database(session.settings())
    *before, last = said.splitlines()
    assert process.returncode == 1
    assert last.startswith("error: Dagster's storage: the database went away during the run"), said
    assert before in ([], ["the database does not answer: trying again for a while"]), said
