"""Maintenance that kills itself with signal 9 at a chosen moment: before it begins, or before it commits, its n-th transaction.

    python -m kb_platform_tests.storage.killed_maintenance NAME MOMENT KEEP_RELEASES

It leaves no word and closes no connection, as a process does that the kernel ends. Prints the number of moments if it came through.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kb_platform.release.maintenance import maintain
from kb_platform.resources import open_store
from kb_platform.storage import collect
from kb_platform.storage.database import Database
from kb_platform_tests.storage.made_releases import LATER, keeping

passed = -1


def moment() -> None:
    global passed
    passed += 1
    if passed == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)


def watched(method: Any) -> Any:
    @contextmanager
    def open_and_close(self: Database, role: Any) -> Iterator[Any]:
        moment()
        with method(self, role) as connection:
            yield connection
            moment()

    return open_and_close


if __name__ == "__main__":
    store = open_store(sys.argv[1])
    Database.transaction, Database.session = watched(Database.transaction), watched(Database.session)
    collect.BATCH = 15
    assert maintain(store, keeping(sys.argv[1], int(sys.argv[3])), now=LATER)
    print(passed + 1)
