"""What a terminal shows when a refresh is stopped in the midst of computing vectors: one sentence, soon."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable

import psutil

from kb_platform.cli import session
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.local.environment import ensure_database
from kb_platform.local.postgres import running_postgres
from kb_platform_tests.flow.test_crashes import start_refresh, text

MakeKb = Callable[..., KnowledgeBase]
PAGES = 600  # of six chunks: half a minute of computing vectors


def refresh_at_its_vectors(make_kb: MakeKb) -> subprocess.Popen:
    """Start a refresh with much to embed; return when vectors are being computed."""
    kb = make_kb({f"{n}.md": text(random.Random(n).randrange(10**9), n) for n in range(PAGES)})
    process = start_refresh(kb, kb.today().isoformat())
    session.store(kb.name)
    while process.poll() is None:
        with session.store(kb.name).database.transaction("owner") as c:
            if c.execute("select exists (select from embedding_space)").fetchone() == (True,):
                break
        time.sleep(0.2)
    time.sleep(2)  # the model is loaded, and the first group is on its way
    assert process.poll() is None, process.communicate()
    return process


def test_ctrl_c_is_one_sentence(make_kb: MakeKb) -> None:
    process = refresh_at_its_vectors(make_kb)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it: to children as well
    _, said = process.communicate(timeout=50)
    assert (process.returncode, said.strip()) == (130, "interrupted: what is done stays done, the next refresh continues there")


def test_a_lost_database_is_one_sentence(make_kb: MakeKb) -> None:
    process = refresh_at_its_vectors(make_kb)
    server = running_postgres(session.settings().home)
    assert server is not None
    victims = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
    for victim in victims:
        victim.kill()
    try:
        _, said = process.communicate(timeout=1700)
    finally:
        process.kill()
        ensure_database(session.settings())
    *before, last = said.splitlines()
    assert process.returncode == 1
    assert last.startswith("error: Dagster's storage: the database went away during the run"), said
    assert before in ([], ["the database does not answer: trying again for a while"]), said
