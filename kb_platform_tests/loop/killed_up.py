"""`kb up` that kills itself with signal 9 at a chosen moment: before it starts a process, or when one is there and its record is not.

    python -m kb_platform_tests.loop.killed_up MOMENT

Prints how many moments there were if it came through.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from kb_platform.local import processes
from kb_platform.local.processes import ProcessRecord
from kb_platform.local.supervisor import up
from kb_platform.settings import Settings

passed = 0


def after_a_moment(call: Callable[..., Any]) -> Callable[..., Any]:
    def waited(*arguments: Any, **more: Any) -> Any:
        global passed
        passed += 1
        if passed == int(sys.argv[1]):
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **more)

    return waited


if __name__ == "__main__":
    processes.start, ProcessRecord.save = after_a_moment(processes.start), after_a_moment(ProcessRecord.save)
    up(Settings())
    print(passed)
