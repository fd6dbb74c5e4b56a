"""How a command ends that has spoken to Temporal.

A thread of Temporal's SDK that has handed over its last answer may still be on its way out of the interpreter. If the interpreter is torn
down meanwhile, Python aborts the whole process (exit code 134, or 139) although its work is done:
https://github.com/temporalio/sdk-python/issues/300. So such a process does what is registered for its end, and leaves without tearing down.
"""

import atexit
import os
import sys
from collections.abc import Callable
from typing import NoReturn

SDK = "temporalio.bridge.temporal_sdk_bridge"


def leave(main: Callable[[], object]) -> NoReturn:
    """Run a command's main function and end the process with its exit code."""
    try:
        main()
        code: int | str | None = None
    except SystemExit as ended:
        code = ended.code
    if SDK not in sys.modules:
        sys.exit(code)
    if isinstance(code, str):
        print(code, file=sys.stderr)
        code = 1
    atexit._run_exitfuncs()  # what sys.exit would do, less the tearing down
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # who read it has gone
            code = code or 1
    os._exit(code or 0)
