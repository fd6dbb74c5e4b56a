"""The same rows from one process or several, in the order of delivery; none outlives the process that started it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import psutil
import pytest

from kb_platform.index import chunk_workers
from kb_platform.index.chunk_workers import chunk_documents
from kb_platform.index.model_folder import space_of
from kb_platform.index.overlap import in_order
from kb_platform.ingest.sandbox import Sandbox
from kb_platform.knowledge.documents import RawDocument
from kb_platform.knowledge.errors import PermanentError, TransientError
from kb_platform.knowledge.knowledge_base import Source
from kb_platform.knowledge.spaces import EmbeddingChoice
from kb_platform_tests.index.test_chunk_rows import PIPELINE as MADE_UP
from kb_platform_tests.index.test_chunk_rows import SOURCE, made_documents
from kb_platform_tests.waiting import PATIENCE

PIPELINE = replace(MADE_UP, space=space_of(EmbeddingChoice()))


def delivered() -> list[RawDocument]:
    good = [RawDocument(d.doc_id, d.text.encode(), "text/plain", d.doc_id, d.title, d.metadata) for d in made_documents()]
    return [*good[:20], RawDocument("broken", b"%PDF-1.4 cut", "application/pdf", "broken.pdf"), *good[20:]]


def test_several_processes_give_the_rows_of_one_in_the_same_order() -> None:
    alone = list(chunk_documents(delivered(), SOURCE, PIPELINE, processes=1))
    assert [row["doc_id"] for row in alone] == [raw.doc_id for raw in delivered()]
    assert "broken" in {row["doc_id"] for row in alone if row.get("failure")}
    assert list(chunk_documents(delivered(), SOURCE, PIPELINE, processes=3)) == alone


def test_an_error_of_a_process_is_raised_where_its_rows_are_expected() -> None:
    source = Source("s", "jsonl", searchable=(["no name"],))  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        list(chunk_documents(delivered(), source, PIPELINE, processes=2))


def test_errors_of_the_platform_keep_their_parts_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk_workers, "_START", chunk_workers._START.replace("main(int", "import kb_platform.ingest.sandbox as s; "
                        "s._START = 'raise SystemExit(3)'; main(int"))
    with pytest.raises(PermanentError) as raised:
        list(chunk_documents(delivered(), SOURCE, PIPELINE, processes=2))
    assert "ended with 3" in raised.value.found
    assert "MiB" in raised.value.expected


def test_a_process_that_is_killed_is_a_transient_error_and_leaves_none_behind() -> None:
    def kill_one() -> Iterator[RawDocument]:
        for number, raw in enumerate(delivered() * 4):
            if number == 40:
                workers()[0].kill()
            yield raw

    with pytest.raises(TransientError, match="ended from outside"):
        list(chunk_documents(kill_one(), SOURCE, PIPELINE, processes=2))
    _, alive = psutil.wait_procs(workers(), timeout=PATIENCE)
    assert alive == []


def workers() -> list[psutil.Process]:
    """The chunk workers that run. The others of our children (a tracker of the standard library) stay."""
    return [p for p in psutil.Process().children() if is_worker(p)]


def is_worker(process: psutil.Process) -> bool:
    try:
        return "chunk_worker" in " ".join(process.cmdline())
    except (psutil.ZombieProcess, psutil.NoSuchProcess):
        return False  # it ended while we looked, and its parent takes note when it next waits


STARTS_AND_WAITS = """
import sys, psutil
from kb_platform.index.chunk_workers import chunk_documents
from kb_platform_tests.index.test_chunk_workers import PIPELINE, SOURCE, delivered
rows = chunk_documents(delivered(), SOURCE, PIPELINE, processes=2)
next(rows)
print(*(p.pid for p in psutil.Process().children(recursive=True)), flush=True)
sys.stdin.read()
"""


def test_no_process_outlives_a_killed_parent() -> None:
    parent = subprocess.Popen([sys.executable, "-c", STARTS_AND_WAITS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                              cwd=os.getcwd())
    assert parent.stdout is not None
    children = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
    parent.kill()
    parent.communicate()
    assert len(children) >= 2
    _, alive = psutil.wait_procs(children, timeout=PATIENCE)
    assert alive == []


def test_calls_overlap_and_their_results_keep_the_order() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for n in range(6):
            taken.append(n)
            yield n

    results = in_order(lambda n: n * n, items(), threads=2, ahead=3)
    assert next(results) == 0
    assert taken == [0, 1, 2]
    assert list(results) == [1, 4, 9, 16, 25]


def test_after_an_error_nothing_else_begins() -> None:
    begun: list[int] = []

    def call(n: int) -> int:
        begun.append(n)
        return 1 // n

    with pytest.raises(ZeroDivisionError):
        list(in_order(call, range(50), threads=1, ahead=2))
    assert begun in ([0], [0, 1])


def test_the_reader_can_be_shared_by_several_batches() -> None:
    from kb_platform.ingest.parse_many import parse_documents

    with Sandbox() as sandbox:
        for _ in range(2):
            assert len(list(parse_documents(delivered()[:2], sandbox=sandbox))) == 2
        assert sandbox._process is not None
