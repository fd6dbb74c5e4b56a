"""The process behind ingest/sandbox.py: a line of JSON and a document come in, a line of JSON goes out, until the input ends."""

import importlib
import json
import os
import resource
import signal
import sys
from typing import Any, BinaryIO

from kb_platform.ingest.limits import ParseLimits
from kb_platform.ingest.unreadable import DocumentUnreadable


def main(memory_bytes: int) -> None:
    """Serve until the input ends. What a library prints must not end up between the answers: it goes to standard error."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    answers.write(b"ready\n")
    answers.flush()
    while header := requests.readline():
        answer = _serve(json.loads(header), requests)
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()
        if "died" in answer:
            return


def _serve(request: dict[str, Any], requests: BinaryIO) -> dict[str, Any]:
    """Return the answer; running out of memory is a death of its own, for the process is not to be trusted afterwards."""
    try:
        content = requests.read(request["size"])
        reader = importlib.import_module(f"kb_platform.ingest.formats.{request['module']}")
        signal.setitimer(signal.ITIMER_REAL, request["limits"]["seconds"])
        return {"parsed": reader.read(content, ParseLimits(**request["limits"]))}
    except DocumentUnreadable as error:
        return {"unreadable": str(error)}
    except ImportError as error:
        return {"broken": f"cannot be loaded ({error})"}
    except MemoryError:
        return {"died": 0}
    except Exception as error:  # the libraries raise anything on broken input; its text may quote the document
        return {"unreadable": f"broken: the {request['name']} reader gave up ({type(error).__name__})"}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
