"""Documents become rows, in a process for each processor where there are enough of them: chunking is Python, one thread a process.

Parsing and chunking a document depends on nothing else, so that the rows are the same however many processes make them.
"""

import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from kb_platform.index.chunk_rows import document_rows
from kb_platform.index.cores import usable_cores
from kb_platform.index.model_folder import tokenizer_of
from kb_platform.index.overlap import in_order
from kb_platform.index.pipeline import Pipeline
from kb_platform.ingest.sandbox import Sandbox
from kb_platform.knowledge.documents import RawDocument
from kb_platform.knowledge.errors import TransientError
from kb_platform.knowledge.knowledge_base import Source

WORTH_PROCESSES = 64  # documents; fewer are chunked before other processes have started
MOST_PROCESSES = 8  # each holds some 150 MB with its reader; beyond them, writing the file takes longer than chunking
BATCH_DOCUMENTS = 16
BATCH_BYTES = 1 << 18
# The parent's search path, so that the process finds the same code wherever that was imported from.
_START = "import sys; sys.path[:] = sys.argv[2:]; from kb_platform.index.chunk_worker import main; main(int(sys.argv[1]))"


def worthwhile_processes(documents: int) -> int:
    """Return how many processes chunk so many documents soonest."""
    return min(usable_cores(), MOST_PROCESSES) if documents >= WORTH_PROCESSES else 1


def chunk_documents(raws: Iterable[RawDocument], source: Source, pipeline: Pipeline, *, processes: int) -> Iterator[dict[str, Any]]:
    """Yield a row for each document, in their order; with one process, this one does the work itself.

    Raises:
        PermanentError: the reader process cannot run.
        TransientError: a process was ended from outside.
    """
    if processes < 2:
        with Sandbox() as sandbox:
            tokenizer = tokenizer_of(pipeline.space)
            for batch in _batches(raws):
                yield from document_rows(batch, source, pipeline, tokenizer, sandbox)
        return
    with ExitStack() as running:
        idle = SimpleQueue[Connection]()
        for _ in range(processes):
            worker = running.enter_context(_worker())
            worker.send((source, pipeline))
            idle.put(worker)
        for rows in in_order(lambda batch: _ask(idle, batch), _batches(raws), threads=processes, ahead=2 * processes):
            yield from rows


def _ask(idle: "SimpleQueue[Connection]", batch: Sequence[RawDocument]) -> list[dict[str, Any]]:
    worker = idle.get()
    try:
        worker.send(batch)
        answer = worker.recv()
    except (EOFError, OSError) as error:
        raise TransientError("a chunking process was ended from outside", expected="memory for one of them on each processor",
                             action="run it again: what is written stays") from error
    finally:
        idle.put(worker)
    if isinstance(answer, Exception):
        raise answer
    return answer


@contextmanager
def _worker() -> Iterator[Connection]:
    """Yield the connection to a new process, which ends with it."""
    ours, theirs = socket.socketpair()
    with theirs:
        command = [sys.executable, "-c", _START, str(theirs.fileno()), *sys.path]
        process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        with Connection(ours.detach()) as connection:
            yield connection
    finally:
        process.kill()
        process.wait()


def _batches(raws: Iterable[RawDocument]) -> Iterator[list[RawDocument]]:
    """Yield a few documents at a time, so that little is in memory and no process waits for one message a document."""
    batch: list[RawDocument] = []
    size = 0
    for raw in raws:
        batch.append(raw)
        size += len(raw.content)
        if len(batch) == BATCH_DOCUMENTS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
