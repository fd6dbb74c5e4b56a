"""Runs isolated readers in one reusable process with limits: what a hostile file kills is that process and nothing else.

The process is started at the first document, serves one after the other, and is replaced after a death. The kernel keeps both
limits (an alarm and RLIMIT_AS), so that code which never returns to Python cannot escape them, not even after its parent died.
"""

import json
import signal
import subprocess
import sys
from dataclasses import asdict
from types import TracebackType
from typing import Any

from kb_platform.ingest.formats import Format, Parsed
from kb_platform.ingest.formats.left_out import LeftOut
from kb_platform.ingest.limits import ParseLimits
from kb_platform.ingest.unreadable import DocumentUnreadable
from kb_platform.knowledge.errors import PermanentError

# The parent's search path, so that the process finds the same code wherever that was imported from.
_START = "import sys; sys.path[:] = sys.argv[2:]; from kb_platform.ingest.sandbox_worker import main; main(int(sys.argv[1]))"


class Sandbox:
    """A reader process, started when it is needed; use it as a context manager. Not for several threads at once."""

    def __init__(self, limits: ParseLimits = ParseLimits()) -> None:
        """Take the limits for every document."""
        self.limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._served = 0

    def __enter__(self) -> "Sandbox":
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End the process."""
        self.close()

    def read(self, form: Format, content: bytes) -> Parsed:
        """Return what the format's reader found.

        Raises:
            DocumentUnreadable: the reader refused the document, or died of it.
            PermanentError: the reader process cannot run at all: nothing is wrong with the document.
        """
        used = self._served > 0
        answer = self._ask(form, content)
        if used and "died" in answer and answer["died"] != -signal.SIGALRM:
            answer = self._ask(form, content)  # what earlier documents left in the process may have filled its memory
        if "broken" in answer:
            raise PermanentError(answer["broken"], where=f"reader for {form.name}", action="install the package again")
        if "died" in answer:
            raise DocumentUnreadable(self._cause_of_death(answer["died"]))
        if "unreadable" in answer:
            raise DocumentUnreadable(answer["unreadable"])
        title, text, metadata, warnings, left_out = answer["parsed"]
        return Parsed(title, text, metadata, tuple(warnings), tuple(LeftOut(kind, count, tuple(pieces)) for kind, count, pieces in left_out))

    def close(self) -> None:
        """End the process, if there is one."""
        process, self._process, self._served = self._process, None, 0
        if process is None:
            return
        process.kill()
        try:
            process.communicate()
        except (BrokenPipeError, ValueError):  # a request that was never read
            process.wait()

    def _ask(self, form: Format, content: bytes) -> dict[str, Any]:
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        self._served += 1
        header = {"module": form.module, "name": form.name, "size": len(content), "limits": asdict(self.limits)}
        try:
            process.stdin.write(json.dumps(header).encode() + b"\n")
            process.stdin.write(content)
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = b""
        answer = json.loads(line) if line.endswith(b"\n") else {"died": process.wait()}
        if "died" in answer:
            self.close()
        return answer

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            command = [sys.executable, "-c", _START, str(self.limits.memory_bytes), *sys.path]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            assert self._process.stdout is not None
            if self._process.stdout.readline() != b"ready\n":
                code = self._process.wait()
                self.close()
                raise PermanentError(f"the reader process ended with {code} before its first document",
                                     expected=f"a Python that starts within {self.limits.memory_bytes >> 20} MiB of memory")
        return self._process

    def _cause_of_death(self, code: int) -> str:
        if code == -signal.SIGALRM:
            return f"took longer than {self.limits.seconds:g} s to read"
        if code == 0:
            return f"needs more than {self.limits.memory_bytes >> 20} MiB of memory to read"
        name = signal.Signals(-code).name if code < 0 else str(code)
        return f"the reader crashed on it ({name}): damaged, or needs more than {self.limits.memory_bytes >> 20} MiB of memory"
