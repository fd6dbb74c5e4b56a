"""The process behind index/chunk_workers.py: a batch of documents comes in, their rows go out, until the other end closes."""

import signal
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from kb_platform.index.chunk_rows import document_rows
from kb_platform.index.model_folder import tokenizer_of
from kb_platform.ingest.sandbox import Sandbox
from kb_platform.knowledge.documents import RawDocument

Rows = list[dict[str, Any]]


def main(descriptor: int) -> None:
    """Serve until the connection ends: with it ends this process, whatever became of the one that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    with Connection(descriptor) as parent, Sandbox() as sandbox:
        try:
            source, pipeline = parent.recv()
            chunk = partial(document_rows, source=source, pipeline=pipeline, tokenizer=tokenizer_of(pipeline.space), sandbox=sandbox)
            while True:
                parent.send(_answer(chunk, parent.recv()))
        except (EOFError, OSError):
            return


def _answer(chunk: Callable[[Sequence[RawDocument]], Rows], raws: Sequence[RawDocument]) -> Rows | Exception:
    try:
        return chunk(raws)
    except Exception as error:  # raised where the rows are expected
        return error
