"""Folders of homes that tests make, and the end of what a killed run of the tests has left in them.

Servers of a home outlive the process that starts them, as they shall. Tests stop theirs, unless they are killed or interrupted themselves:
then the next run finds their folders, whose makers are gone, ends what still runs there and removes them.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from kb_platform.local import processes

MAKER = "made-by"  # the record of the process that made the folder
MEMORY = Path("/dev/shm")


@contextmanager
def made_folder(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """Yield a new folder that every user may enter (pytest's own are closed to others); it is removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent)).resolve()
    processes.this_process().save(folder / MAKER)
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_left_behind() -> list[Path]:
    """End the processes of folders whose maker is gone, and remove the folders; return them."""
    removed = []
    for parent in {Path(tempfile.gettempdir()), MEMORY}:
        for note in parent.glob(f"kb-*/{MAKER}"):
            if not processes.is_running(processes.load(note)):
                _end_processes(note.parent)
                shutil.rmtree(note.parent, ignore_errors=True)
                removed.append(note.parent)
    return removed


def _end_processes(folder: Path) -> None:
    """Kill what names the folder in its arguments or in its environment."""
    ended = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            said = [*process.cmdline(), *process.environ().values()]
            if any(str(folder) in word for word in said):
                process.kill()
                ended.append(process)
    psutil.wait_procs(ended, timeout=60)
