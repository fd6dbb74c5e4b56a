"""Work that takes its time says how far it is: to whoever listens, on a terminal as bars, and else to nobody."""

import os
import pty
import re
import sys
from collections.abc import Callable

import pytest

from kb_platform.cli import session
from kb_platform.cli.progress_bars import pace, progress_bars
from kb_platform.cli.refreshing import refresh_once
from kb_platform.cli.runs import run_refresh
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.settings import inherited_environment
from kb_platform_tests.flow.test_commands import kb as command
from kb_platform_tests.flow.test_refresh import FILES, GOLDEN

MakeKb = Callable[..., KnowledgeBase]


def test_every_kind_of_work_counts_up_to_its_end(make_kb: MakeKb) -> None:
    kb = make_kb(FILES)
    (kb.folder / "golden").mkdir()
    (kb.folder / "golden" / "golden.yaml").write_text(GOLDEN)
    told: dict[str, list[tuple[int, int | None]]] = {}
    runs = run_refresh(session.settings(), kb, ["2026-03-01"], ["docs"], lambda what, *n: told.setdefault(what, []).append(n))
    assert all(run.success for run in runs.values())
    chunks = runs["ingest"].metadata[kb.name, "docs", "chunks"]["dagster/row_count"]
    assert told["documents read"] == [(1, None), (2, None), (3, None)]
    assert told["documents chunked"] == [(1, 3), (2, 3), (3, 3)]
    assert told["vectors computed"] == [(0, chunks), (chunks, chunks)]
    assert told["documents written"][-1] == (3, 3)
    assert told["golden queries, release 1"] == [(1, 1)]
    told.clear()
    refresh_once(kb, "2026-03-01", None, quiet=True)
    assert told == {}  # the listener is gone with its run


def test_a_terminal_shows_counts_while_steps_run_and_the_report_after_them(make_kb: MakeKb) -> None:
    kb = make_kb(FILES)
    chosen = session.settings()
    places = {"KB_HOME": str(chosen.home), "KB_DEFS": str(chosen.defs), "KB_OBJECT_STORE": chosen.object_store}
    shown, child = pty.openpty()
    arguments = [sys.executable, "-c", "from kb_platform.cli import main; main()", "refresh", kb.name]
    environment = inherited_environment({**places, "TERM": "xterm", "COLUMNS": "120"})
    process = os.posix_spawn(sys.executable, arguments, environment, file_actions=[(os.POSIX_SPAWN_DUP2, child, fd) for fd in (0, 1, 2)])
    os.close(child)
    text = b""
    while piece := read(shown):
        text += piece
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.decode()).replace("\r", "\n")
    assert re.search(r"documents chunked .* 3 of 3, ", lines)
    assert re.search(r"vectors computed .* of \d", lines)
    assert lines.rstrip().splitlines()[-1].startswith("release 1: verdict pass (no golden query judged it), is live")


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other end is closed
        return b""


def test_nothing_is_shown_where_there_is_no_terminal(make_kb: MakeKb) -> None:
    done = command("refresh", make_kb(FILES).name)
    assert (done.returncode, done.stderr) == (0, "")


def test_quiet_work_tells_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bars("working", quiet=True) as progress:
        progress("anything", 1, 2)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("done", "total", "seconds", "said"), [
    (0, None, 3, ""), (0, 5000, 3, "0 of 5,000"), (7, None, 2, "7, 3.5/s"), (512, 5000, 4, "512 of 5,000, 128/s, 0:00:35 left"),
    (5000, 5000, 40, "5,000 of 5,000, 125/s"), (1, 2, 0, "1 of 2"),
])  # fmt: skip
def test_pace_is_count_rate_and_what_is_left(done: int, total: int | None, seconds: float, said: str) -> None:
    assert pace(done, total, seconds) == said
