"""kill -9 of a refresh, and of Postgres under it, at ten moments spread over its length.

Two knowledge bases get the same deliveries. One is refreshed in peace; the other's refresh is killed, and run again. Whatever
the moment, readers see what they saw before until the pointer moves, and the second run ends where the peaceful one ended.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from kb_platform.cli import session
from kb_platform.cli.queries import make_retriever
from kb_platform.cli.refreshing import exit_code, refresh_once
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.local.environment import ensure_database
from kb_platform.local.postgres import running_postgres
from kb_platform.settings import inherited_environment
from kb_platform.storage.releases import get_release, live_release

DOCUMENTS = 24
ROUNDS = 10
QUESTIONS = ("how warm may the fridge be", "who cleans room 7", "extension of the pharmacy", "visiting hours of ward 3")
SUBJECTS = ("The fridge", "Room", "The pharmacy", "Ward", "The lift", "The archive")
ACTIONS = ("is checked at", "is cleaned by the team of", "can be reached at extension", "receives visitors until", "closes at")

MakeKb = Callable[..., KnowledgeBase]


def text(document: int, version: int) -> str:
    """Return a page whose sentences no other page and no other version holds."""
    said = random.Random(f"{document} {version}")
    paragraphs = [
        " ".join(
            f"{said.choice(SUBJECTS)} {said.randrange(90)} {said.choice(ACTIONS)} {said.randrange(1000, 9999)}." for _ in range(8)
        )
        for _ in range(6)
    ]
    return f"# Page {document}\n\n" + "\n\n".join(paragraphs) + "\n"


def deliver(kb: KnowledgeBase, delivery: int) -> None:
    """Change a third of the pages, drop one, add one."""
    folder = kb.folder / "documents"
    for document in range(delivery % 3, DOCUMENTS, 3):
        (folder / f"{document}.md").write_text(text(document, delivery))
    (folder / f"{delivery % DOCUMENTS}.md").unlink(missing_ok=True)
    (folder / f"new{delivery}.md").write_text(text(1000 + delivery, delivery))


def start_refresh(kb: KnowledgeBase, day: str, *options: str, before: str = "pass") -> subprocess.Popen:
    chosen = session.settings()
    places = {"KB_HOME": str(chosen.home), "KB_DEFS": str(chosen.defs), "KB_OBJECT_STORE": chosen.object_store}
    return subprocess.Popen(
        [sys.executable, "-c", f"{before}; from kb_platform.cli import main; main()", "refresh", kb.name, "--day", day, *options],
        env=inherited_environment(places), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )


def kill_refresh(process: subprocess.Popen) -> None:
    """End the command and its readers of files at once."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def kill_postgres(process: subprocess.Popen) -> None:
    """End the server with all its backends at once and start it again; the command has to cope by itself."""
    server = running_postgres(session.settings().home)
    assert server is not None
    postmaster = psutil.Process(server.pid)
    victims = [postmaster, *postmaster.children(recursive=True)]
    for victim in victims:
        victim.kill()
    psutil.wait_procs(victims, timeout=30)
    ensure_database(session.settings())
    _, errors = process.communicate(timeout=120)
    assert process.returncode in (0, 1)  # 0: it had done its work, or found the server again
    assert "Traceback" not in errors, errors


def answers(kb: KnowledgeBase, release: int | None = None) -> list[tuple]:
    """Return what a reader gets: documents, places, texts and scores."""
    retriever, shown = make_retriever(kb, "reader", release)
    return [
        (hit.doc_id, hit.start, hit.end, hit.content, hit.score)
        for question in QUESTIONS for hit in retriever.search(question, shown, k=5)
    ]


def live_digest(kb: KnowledgeBase) -> tuple[int, bytes | None]:
    database = session.store(kb.name).database
    release = live_release(database)
    assert release is not None
    return release, get_release(database, release).content_digest


def doubled_rows(kb: KnowledgeBase) -> list[tuple]:
    with session.store(kb.name).database.transaction("owner") as c:
        return c.execute(
            "select doc_id, content_hash, dup_no from chunk where valid_to = 2147483647 group by 1, 2, 3 having count(*) > 1"
        ).fetchall()


@pytest.mark.timeout(900)
def test_a_refresh_killed_at_any_moment_changes_no_answer_and_ends_the_same_when_run_again(make_kb: MakeKb, home: Path) -> None:
    pages = {f"{document}.md": text(document, 0) for document in range(DOCUMENTS)}
    peaceful, killed = make_kb(pages, suffix="peaceful"), make_kb(pages, suffix="killed")
    for kb in (peaceful, killed):
        assert exit_code(refresh_once(kb, "2026-03-01", None, quiet=True)) == 0
    began = time.monotonic()
    undisturbed = start_refresh(killed, "2026-03-01", "--json")
    undisturbed.communicate()
    assert undisturbed.returncode == 0
    length = time.monotonic() - began
    moments, hits = random.Random(9), 0
    for number in range(ROUNDS):
        day = f"2026-03-{number + 2:02}"
        for kb in (peaceful, killed):
            deliver(kb, number + 1)
        assert exit_code(refresh_once(peaceful, day, None, quiet=True)) == 0
        before, (release, _) = answers(killed), live_digest(killed)

        began = time.monotonic()
        process = start_refresh(killed, day, "--json")
        try:  # the first part is loading; this refresh has more to do than the one that was measured
            process.wait(length * (0.4 + 0.7 * (number + moments.random()) / ROUNDS))
            process.communicate()
            length = time.monotonic() - began  # the machine has become quicker than it was
        except subprocess.TimeoutExpired:
            (kill_postgres if number % 2 else kill_refresh)(process)
            hits += 1
        if live_digest(killed)[0] == release:
            assert answers(killed) == before
        assert answers(killed, release) == before

        again = refresh_once(killed, day, None, quiet=True)
        assert exit_code(again) == 0, again
        assert live_digest(killed)[1] == live_digest(peaceful)[1]
        assert answers(killed) == answers(peaceful)
        assert doubled_rows(killed) == []
    assert hits >= ROUNDS / 2, "hardly any moment fell into a refresh"
