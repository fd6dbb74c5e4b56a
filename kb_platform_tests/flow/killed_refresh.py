"""A refresh that ends or waits at a chosen moment: before its n-th transaction or file begins, or before that is committed.

    python -m kb_platform_tests.flow.killed_refresh refresh|postgres|vectors|nothing MOMENT REACHED ARGUMENTS...

The arguments are those of `kb`. At the moment, `refresh` kills itself and its readers of files with signal 9; `postgres` makes the file
REACHED and waits until somebody removes it, who kills the server meanwhile. The moments of `vectors` are the groups of texts that the
model computes: it makes the file and waits, too, or until nobody wants the vectors any more. One that comes through writes into REACHED
how many moments there were. Moments are counted instead of seconds, so that they fall into the same steps on every machine.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import dagster_postgres.utils

from kb_platform.cli import main
from kb_platform.index.embed import ModelEmbedder, never
from kb_platform.storage.database import Database
from kb_platform.storage.objects import ObjectStore

KIND, MOMENT, REACHED = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
passed, counting = 0, Lock()


def moment(given_up: Callable[[], bool] = never) -> None:
    global passed
    with counting:
        passed += 1
        here = passed == MOMENT
    if here and KIND == "refresh":
        os.killpg(0, signal.SIGKILL)
    if here and KIND in ("postgres", "vectors"):
        REACHED.touch()
        while REACHED.exists() and not given_up():
            time.sleep(0.01)


def watched(method: Any) -> Any:
    @contextmanager
    def open_and_close(self: Database, role: Any) -> Iterator[Any]:
        moment()
        with method(self, role) as connection:
            yield connection
            moment()

    return open_and_close


def written(method: Callable[..., int]) -> Callable[..., int]:
    def write(self: ObjectStore, *arguments: Any) -> int:
        moment()
        return method(self, *arguments)

    return write


def computed(method: Callable[..., Any]) -> Callable[..., Any]:
    def embed(self: ModelEmbedder, texts: Sequence[str], given_up: Callable[[], bool] = never) -> Any:
        moment(given_up)
        return method(self, texts, given_up)

    return embed


if __name__ == "__main__":
    dagster_postgres.utils.calculate_delay = lambda **_: 0.05  # Dagster asks a lost database as often as ever, and sooner
    if KIND == "vectors":
        ModelEmbedder.embed = computed(ModelEmbedder.embed)  # pyright: ignore[reportAttributeAccessIssue]
    else:
        Database.transaction, Database.session = watched(Database.transaction), watched(Database.session)
        ObjectStore.write = written(ObjectStore.write)  # pyright: ignore[reportAttributeAccessIssue]
    try:
        main(sys.argv[4:])
    finally:
        REACHED.write_text(f"{passed}\n")
