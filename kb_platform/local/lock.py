"""One process at a time, or several that share: by file locks that the kernel drops when their holders die.

Lock files are opened by their owner alone (mode 0600): whoever can open one can hold it for ever.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kb_platform.knowledge.errors import TransientError

POLL = 0.05  # seconds
PATIENCE = 1800  # seconds; a first `kb up` on a slow machine takes minutes


@contextmanager
def exclusive(path: Path, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the lock at `path`, waiting while another process or thread holds it. Not reentrant.

    The file may be removed by its holder (a wiped home): whoever then gets the lock of a file that is gone tries again.

    Raises:
        TransientError: it was held for longer than `patience` seconds.
    """
    while True:
        descriptor = _open(path)
        try:
            _take(path, descriptor, fcntl.LOCK_EX, patience)
            if _is_still(path, descriptor):
                yield
                return
        finally:
            os.close(descriptor)


@contextmanager
def shared(path: Path, patience: float = PATIENCE) -> Iterator[Callable[[], bool]]:
    """Share the lock at `path`; the yielded function tells whether nobody else has it, and then keeps others out until the end.

    It is for whoever is about to leave: one who asks and is not the last has let go of the lock (so flock does it), and the next to ask may be.

    Raises:
        TransientError: somebody kept us out for longer than `patience` seconds.
    """
    descriptor = _open(path)
    try:
        _take(path, descriptor, fcntl.LOCK_SH, patience)
        yield lambda: _is_ours(descriptor, fcntl.LOCK_EX)
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Tell whether a process holds the lock at `path`; a file that is gone is held by none."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _is_ours(descriptor, fcntl.LOCK_EX)
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _take(path: Path, descriptor: int, how: int, patience: float) -> None:
    deadline = time.monotonic() + patience
    while not _is_ours(descriptor, how):
        if time.monotonic() > deadline:
            raise TransientError(f"another process has held this lock for {patience:.0f} s", where=str(path),
                                 action=f"wait for the other command, or see who it is: fuser {path}")
        time.sleep(POLL)


def _is_ours(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
