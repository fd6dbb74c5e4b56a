"""A GPU window, or a run's own time, ends in the midst of embedding: what is done is kept, what is left waits, and nothing is done twice.

One knowledge base is embedded in peace; others get the same deliveries and are embedded in parts: all end with the same content.
"""

import datetime as dt
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from kb_platform.cli import app, session
from kb_platform.cli.refreshing import exit_code, refresh_once
from kb_platform.index import embed_deliveries as step
from kb_platform.index.chunk_deliveries import chunk_deliveries
from kb_platform.index.embed import Embedder
from kb_platform.index.embed_deliveries import EmbedReport, embed_deliveries
from kb_platform.ingest.capture import capture_source
from kb_platform.knowledge.gpu_window import GpuHours, decide_window
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.spaces import EmbeddingSpace
from kb_platform.release.candidate import apply_deliveries, seal_candidate
from kb_platform.resources import load_embedder
from kb_platform.resources.gpu_window import Allowance
from kb_platform.settings import inherited_environment
from kb_platform.storage.releases import candidate
from kb_platform_tests.flow.conftest import write_kb
from kb_platform_tests.flow.steps import refresh_by_steps
from kb_platform_tests.flow.test_crashes import live_digest, text

MakeKb = Callable[..., KnowledgeBase]
DAY = [dt.date(2026, 3, 1)]
STORED = 3  # groups
EMBED = f"""
import datetime as dt, itertools, os, signal, sys
from kb_platform.cli import session
from kb_platform.index import embed_deliveries as step
from kb_platform.resources import load_embedder

def store_and_die(*arguments, groups=itertools.count(1), store=step.store_vectors):
    store(*arguments)
    if next(groups) == {STORED}:
        os.killpg(0, signal.SIGKILL)

step.GROUP, step.store_vectors = 4, store_and_die
kb = session.knowledge_base(sys.argv[1])
step.embed_deliveries(session.store(kb.name), kb, "docs", [dt.date.fromisoformat(sys.argv[2])], load_embedder)
"""
NIGHTS = GpuHours("20:00-06:00", "Europe/Berlin")
GROUP = 16
PAGES = {f"{number}.md": text(number, 0) for number in range(24)}


class Counting:
    """The real embedder, with a clock that goes on by a quarter of an hour with each group, and a count of texts."""

    def __init__(self, begin: str) -> None:
        self.now = dt.datetime.fromisoformat(begin).astimezone(dt.UTC)
        self.texts: Counter[str] = Counter()

    def __call__(self, space: EmbeddingSpace) -> Embedder:
        self._embedder = load_embedder(space)
        return self  # type: ignore[return-value]

    def embed(self, texts: Sequence[str], given_up: Callable[[], bool]) -> np.ndarray:
        self.texts.update(texts)
        self.now += dt.timedelta(minutes=15)
        return self._embedder.embed(texts, given_up)

    def clock(self) -> dt.datetime:
        return self.now

    def allowance(self, budget: dt.timedelta | None = None, *hours: GpuHours) -> Allowance:
        return Allowance(lambda: decide_window(hours, None, self.now), budget, self.clock)


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "GROUP", GROUP)


@pytest.fixture(scope="module")
def peaceful(home: Path) -> Iterator[bytes]:
    """Yield the digest of the pages' content, embedded without a disturbance."""
    kb = write_kb(home, "peaceful", PAGES)
    assert refresh_by_steps(kb, "2026-03-01").promoted
    digest = live_digest(kb)[1]
    assert digest is not None
    yield digest
    shutil.rmtree(kb.folder)


def chunked(kb: KnowledgeBase, source: str = "docs") -> None:
    store = session.store(kb.name)
    capture_source(store, kb.source(source), DAY, "run")
    chunk_deliveries(store, kb, source, DAY)


def embed(kb: KnowledgeBase, counting: Counting, allowance: Allowance | None = None, source: str = "docs") -> EmbedReport:
    more = {"may_go_on": allowance} if allowance else {}
    return embed_deliveries(session.store(kb.name), kb, source, DAY, counting, **more)


def test_a_step_that_the_window_ends_is_continued_and_no_text_is_embedded_twice(make_kb: MakeKb, peaceful: bytes) -> None:
    parted = make_kb(PAGES)
    counting, store = Counting("2026-11-03T05:00+01:00"), session.store(parted.name)
    chunked(parted)

    first = embed(parted, counting, counting.allowance(None, NIGHTS))
    assert 0 < first.vectors_computed <= 6 * (GROUP + 6)  # four groups until 06:00, and those on their way
    assert first.vectors_left > 0
    applied = apply_deliveries(store, parted, "docs", DAY, "run")
    assert (applied.captures, applied.waiting, applied.rows_inserted) == (0, 1, 0)
    assert seal_candidate(store, parted).sealed is False
    assert candidate(store.database) is None

    allowance = counting.allowance(None, NIGHTS)
    by_day = embed(parted, counting, allowance)
    assert allowance.refusal == "the GPU window is closed until 2026-11-03 19:00 UTC"
    assert (by_day.vectors_computed, by_day.vectors_left) == (0, first.vectors_left)

    counting.now = dt.datetime.fromisoformat("2026-11-03T20:00+01:00")
    rest = embed(parted, counting, counting.allowance(None, NIGHTS))
    assert (rest.vectors_computed, rest.vectors_reused, rest.vectors_left) == (first.vectors_left, first.vectors_computed, 0)
    assert set(counting.texts.values()) == {1}
    assert exit_code(refresh_once(parted, "2026-03-01", None, quiet=True)) == 0
    assert live_digest(parted)[1] == peaceful


def test_a_long_document_is_embedded_in_groups_as_any_other(make_kb: MakeKb) -> None:
    kb, counting, groups = make_kb({"long.md": "\n\n".join(list(PAGES.values())[:8])}), Counting("2026-11-03T12:00+01:00"), []
    chunked(kb)
    embed_group = counting.embed

    def embed_and_count(texts: Sequence[str], given_up: Callable[[], bool]) -> np.ndarray:
        groups.append(len(texts))
        return embed_group(texts, given_up)

    counting.embed = embed_and_count  # type: ignore[method-assign]
    done = embed(kb, counting)
    assert len(groups) == -(-done.vectors_computed // GROUP) > 1
    assert max(groups) == GROUP


def test_a_delivery_whose_ingest_goes_on_is_left_to_the_run_that_follows(make_kb: MakeKb) -> None:
    kb, counting = make_kb({"a.md": text(1, 0)}), Counting("2026-11-03T12:00+01:00")
    capture_source(session.store(kb.name), kb.source("docs"), DAY, "run")
    early = embed(kb, counting)
    assert (early.vectors_computed, early.vectors_left, counting.texts) == (0, 0, Counter())
    chunk_deliveries(session.store(kb.name), kb, "docs", DAY)
    assert embed(kb, counting).vectors_computed > 0


def test_a_steps_own_time_ends_it_and_the_next_one_has_its_own(make_kb: MakeKb) -> None:
    kb, counting = make_kb(PAGES), Counting("2026-11-03T12:00+01:00")
    chunked(kb)
    runs = []
    while not runs or runs[-1].vectors_left:
        allowance = counting.allowance(dt.timedelta(minutes=30))
        runs.append(embed(kb, counting, allowance))
        assert bool(allowance.refusal) == (runs[-1].vectors_left > 0)
        assert len(runs) < 20
    assert len(runs) > 2
    assert all(run.vectors_computed for run in runs)
    assert set(counting.texts.values()) == {1}


def test_a_source_that_is_embedded_goes_live_while_another_waits(make_kb: MakeKb) -> None:
    sources = [{"name": name, "kind": "files", "path": f"documents/{name}"} for name in ("few", "many")]
    few = {f"few/{n}.md": text(100 + n, 0) for n in range(2)}
    kb = make_kb(few | {f"many/{name}": page for name, page in PAGES.items()}, sources=sources)
    counting, store = Counting("2026-11-03T05:30+01:00"), session.store(kb.name)
    for source in ("few", "many"):
        chunked(kb, source)
        embed(kb, counting, counting.allowance(None, NIGHTS) if source == "many" else None, source)
    applied = {source: apply_deliveries(store, kb, source, DAY, "run") for source in ("few", "many")}
    assert {source: (a.captures, a.waiting) for source, a in applied.items()} == {"few": (1, 0), "many": (0, 1)}
    sealed = seal_candidate(store, kb)
    assert (sealed.sealed, sealed.documents) == (True, 2)
    report = refresh_once(kb, "2026-03-01", None, quiet=True)
    assert (report["documents"]["new"], report["promoted"]) == (24, True), report
    assert set(counting.texts.values()) == {1}


def by_hand(action: str) -> None:
    """Close or open the window: what other tests did by hand counts no more, whatever they left."""
    done = CliRunner().invoke(app, ["gpu-window", action, "--for", "1h", "--reason", "a test"])
    assert done.exit_code == 0, done.output


def test_a_refresh_in_a_closed_window_says_what_waits_and_the_next_one_continues(make_kb: MakeKb) -> None:
    kb = make_kb({"a.md": text(1, 0)})
    by_hand("close")
    done = CliRunner().invoke(app, ["refresh", kb.name])
    assert done.exit_code == 6, done.output
    assert "texts wait for their vectors" in " ".join(done.output.split())
    assert "the GPU window is closed" in done.output
    assert "golden" not in done.output  # nothing was judged
    by_hand("open")
    report = refresh_once(kb, None, None, quiet=True)
    assert (report["vectors"]["left"], report["left_because"], exit_code(report)) == (0, None, 0)


def embed_and_die(kb: KnowledgeBase) -> None:
    """Let a process embed in small groups, which kills itself when it has stored some."""
    died = subprocess.run([sys.executable, "-c", EMBED, kb.name, DAY[0].isoformat()], capture_output=True, text=True, check=False,
                          env=inherited_environment({"KB_DEFS": str(session.settings().defs)}), start_new_session=True)
    assert died.returncode == -signal.SIGKILL, died.stderr


def test_killed_between_two_windows_it_loses_nothing_that_was_stored(make_kb: MakeKb, peaceful: bytes) -> None:
    killed, counting = make_kb(PAGES), Counting("2026-11-03T05:00+01:00")
    chunked(killed)
    embed_and_die(killed)
    database = session.store(killed.name).database

    def stored() -> int:
        with database.transaction("owner") as c:
            return c.execute("select count(*) from vector").fetchall()[0][0]

    before = stored()
    assert before >= STORED * 4
    counting.now = dt.datetime.fromisoformat("2026-11-03T12:00+01:00")
    by_day = embed(killed, counting, counting.allowance(None, NIGHTS))
    assert (by_day.vectors_computed, by_day.vectors_reused) == (0, before)
    assert by_day.vectors_left > 0
    counting.now = dt.datetime.fromisoformat("2026-11-03T20:00+01:00")
    by_night = embed(killed, counting, counting.allowance(None, NIGHTS))
    assert (by_night.vectors_computed, by_night.vectors_reused, by_night.vectors_left) == (by_day.vectors_left, before, 0)
    assert exit_code(refresh_once(killed, "2026-03-01", None, quiet=True)) == 0
    assert live_digest(killed)[1] == peaceful
