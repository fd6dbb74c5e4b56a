"""PDF by pdfium, in a process of its own with limits on time and memory: a hostile file ends that process and nothing else."""

import atexit
import json
import subprocess
import sys
from threading import Timer

from kb_platform.ingest.clean import DocumentUnreadable
from kb_platform.ingest.formats import Parsed

SECONDS = 30
_worker: list[subprocess.Popen[bytes]] = []


def read(content: bytes) -> Parsed:
    """Return the title and the text of all pages.

    Raises:
        DocumentUnreadable: encrypted, truncated, without a text layer, too slow or too large for the limits.
    """
    if not content.startswith(b"%PDF") and b"%PDF" not in content[:1024]:
        raise DocumentUnreadable("no PDF")
    worker = _running()
    watch = Timer(SECONDS, worker.kill)
    watch.start()
    try:
        answer = _ask(worker, content)
    finally:
        watch.cancel()
    if answer is None:
        stop_worker()
        raise DocumentUnreadable(f"pdfium crashed on it, or needed over {SECONDS} s or 1 GiB")
    if "reason" in answer:
        raise DocumentUnreadable(answer["reason"])
    return Parsed(answer["title"], answer["text"])


def _ask(worker: subprocess.Popen[bytes], content: bytes) -> dict[str, str] | None:
    assert worker.stdin is not None  # noqa: S101  opened with pipes
    assert worker.stdout is not None  # noqa: S101
    try:
        worker.stdin.write(len(content).to_bytes(8) + content)
        worker.stdin.flush()
        line = worker.stdout.readline()
    except OSError:
        return None
    return json.loads(line) if line.endswith(b"\n") else None


def _running() -> subprocess.Popen[bytes]:
    if not _worker or _worker[0].poll() is not None:
        stop_worker()
        command = [sys.executable, "-m", "kb_platform.ingest.formats.pdf_worker"]
        _worker.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))
        atexit.register(stop_worker)
    return _worker[0]


def stop_worker() -> None:
    """End the worker process, if there is one."""
    while _worker:
        process = _worker.pop()
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                try:
                    pipe.close()
                except OSError:
                    continue
