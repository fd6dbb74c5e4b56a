"""kill -9 of a refresh, and of Postgres under it, at moments spread over what it does (killed_refresh.py counts them).

Two knowledge bases get the same deliveries. One is refreshed in peace; the other's refresh is killed, and run again. Whatever
the moment, readers see what they saw before until the pointer moves, and the second run ends where the peaceful one ended.
"""

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from kb_platform.cli import session
from kb_platform.cli.queries import make_retriever
from kb_platform.cli.refreshing import exit_code, refresh_once
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.local.environment import ensure_database
from kb_platform.local.postgres import running_postgres
from kb_platform.settings import inherited_environment
from kb_platform.storage.releases import live_release, text_digest
from kb_platform_tests.waiting import PATIENCE, wait_until

DOCUMENTS = 24
QUESTIONS = ("how warm may the fridge be", "who cleans room 7", "extension of the pharmacy", "visiting hours of ward 3")
SUBJECTS = ("The fridge", "Room", "The pharmacy", "Ward", "The lift", "The archive")
ACTIONS = ("is checked at", "is cleaned by the team of", "can be reached at extension", "receives visitors until", "closes at")

MakeKb = Callable[..., KnowledgeBase]


def text(document: int, version: int) -> str:
    """Return a page of six short sections, each of them a chunk, whose sentences no other page and no other version holds."""
    said = random.Random(f"{document} {version}")
    sections = (
        " ".join(f"{said.choice(SUBJECTS)} {said.randrange(90)} {said.choice(ACTIONS)} {said.randrange(1000, 9999)}." for _ in range(3))
        for _ in range(6)
    )
    return f"# Page {document}\n\n" + "\n\n".join(f"## Part {number}\n\n{section}" for number, section in enumerate(sections)) + "\n"


def deliver(kb: KnowledgeBase, delivery: int) -> None:
    """Change a third of the pages, drop one, add one."""
    folder = kb.folder / "documents"
    for document in range(delivery % 3, DOCUMENTS, 3):
        (folder / f"{document}.md").write_text(text(document, delivery))
    (folder / f"{delivery % DOCUMENTS}.md").unlink(missing_ok=True)
    (folder / f"new{delivery}.md").write_text(text(1000 + delivery, delivery))


def start_refresh(kb: KnowledgeBase, day: str, kind: str, moment: int, reached: Path, *options: str) -> subprocess.Popen:
    chosen = session.settings()
    places = {"KB_HOME": str(chosen.home), "KB_DEFS": str(chosen.defs), "KB_OBJECT_STORE": chosen.object_store}
    return subprocess.Popen(
        [sys.executable, "-m", "kb_platform_tests.flow.killed_refresh", kind, str(moment), str(reached), "refresh", kb.name, "--day", day, *options],
        env=inherited_environment(places), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )


def in_peace(kb: KnowledgeBase, day: str, reached: Path) -> int:
    """Refresh undisturbed, and return how many moments that had."""
    process = start_refresh(kb, day, "nothing", 0, reached, "--json")
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    return int(reached.read_text())


def killed_itself(process: subprocess.Popen, _reached: Path) -> None:
    """Wait for the end of a command that ends itself, with its readers of files."""
    process.communicate()
    assert process.returncode == -9, "it came to its end before the moment"


def reaches(process: subprocess.Popen, reached: Path) -> None:
    """Wait for a command that waits at its moment."""

    def there() -> bool:
        assert process.poll() is None, f"it came to its end before the moment: {process.communicate()}"
        return reached.exists()

    wait_until(there, "the moment is reached", every=0.01)


def kill_server() -> None:
    """End Postgres with all its backends at once."""
    server = running_postgres(session.settings().home)
    assert server is not None
    postmaster = psutil.Process(server.pid)
    victims = [postmaster, *postmaster.children(recursive=True)]
    for victim in victims:
        victim.kill()
    psutil.wait_procs(victims, timeout=PATIENCE)


def kill_postgres(process: subprocess.Popen, reached: Path) -> None:
    """End the server with all its backends at once and start it again; the command has to cope by itself."""
    reaches(process, reached)
    kill_server()
    ensure_database(session.settings())
    reached.unlink()
    _, errors = process.communicate()
    assert process.returncode in (0, 1)  # 0: it had done its work, or found the server again
    assert "Traceback" not in errors, errors


def answers(kb: KnowledgeBase, release: int | None = None) -> dict[tuple, float]:
    """Return what a reader gets: the scores by question, document, place and text."""
    retriever, shown = make_retriever(kb, "reader", release)
    return {
        (question, hit.doc_id, hit.start, hit.end, hit.content): hit.score
        for question in QUESTIONS for hit in retriever.search(question, shown, k=5)
    }


def alike(before: dict[tuple, float]) -> Any:
    """Return what has the same texts, and the same scores but for what the company of a text moves its vector when it is computed."""
    return pytest.approx(before, abs=1e-3)


def live_digest(kb: KnowledgeBase) -> tuple[int, bytes]:
    """Return the live release, and the digest of what its texts say: alike in every knowledge base that was told the same."""
    database = session.store(kb.name).database
    release = live_release(database)
    assert release is not None
    return release, text_digest(database, release)


def doubled_rows(kb: KnowledgeBase) -> list[tuple]:
    with session.store(kb.name).database.transaction("owner") as c:
        return c.execute(
            "select doc_id, content_hash, dup_no from chunk where valid_to = 2147483647 group by 1, 2, 3 having count(*) > 1"
        ).fetchall()


@pytest.mark.parametrize("rounds", [3, pytest.param(10, marks=pytest.mark.endurance)])
def test_a_refresh_killed_at_any_moment_changes_no_answer_and_ends_the_same_when_run_again(make_kb: MakeKb, tmp_path: Path, rounds: int) -> None:
    pages = {f"{document}.md": text(document, 0) for document in range(DOCUMENTS)}
    peaceful, killed = (make_kb(pages, suffix=suffix, gate={"max_churn_share": 1}) for suffix in ("peaceful", "killed"))
    for kb in (peaceful, killed):
        assert exit_code(refresh_once(kb, "2026-03-01", None, quiet=True)) == 0
    for number in range(rounds):
        day = f"2026-03-{number + 2:02}"
        for kb in (peaceful, killed):
            deliver(kb, number + 1)
        moments = in_peace(peaceful, day, tmp_path / "peaceful")
        before, (release, _) = answers(killed), live_digest(killed)
        reached = tmp_path / f"killed{number}"
        kind, wait = ("postgres", kill_postgres) if number % 2 else ("refresh", killed_itself)
        wait(start_refresh(killed, day, kind, 1 + int(moments * (number + 0.5) / rounds), reached, "--json"), reached)
        if live_digest(killed)[0] == release:
            assert answers(killed) == alike(before)
        assert answers(killed, release) == alike(before)

        again = refresh_once(killed, day, None, quiet=True)
        assert exit_code(again) == 0, again
        assert live_digest(killed)[1] == live_digest(peaceful)[1]
        assert answers(killed) == alike(answers(peaceful))
        assert doubled_rows(killed) == []
