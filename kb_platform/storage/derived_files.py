"""Files that can be made again from raw documents, and halves of files that a killed process left. Raw documents are kept for ever."""

import datetime as dt
from collections import deque
from collections.abc import Collection, Iterator
from typing import Any

from kb_platform.storage.objects import DamagedFile, ObjectStore

CHUNKS = "chunks"
PARTIAL = ".partial"  # ObjectStore.write renames it when the file is whole
ABANDONED = dt.timedelta(days=1)


def removable_files(objects: ObjectStore, derived: dt.datetime, now: dt.datetime) -> list[str]:
    """Return chunk files made before `derived`, and parts of files that nobody writes any more.

    A pending delivery whose chunk file is gone is chunked again by the next refresh.
    """
    return sorted(name for name, made in objects.files() if made < now - ABANDONED and name.endswith(PARTIAL)
                  or name.startswith(f"{CHUNKS}/") and made < derived)


def read_derived(objects: ObjectStore, name: str, columns: list[str] | None = None, *, having: Collection[str] = ()) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file that can be made again, as ObjectStore.read does.

    Raises:
        DamagedFile: it cannot be read; what was left of it has been removed, so that the next refresh makes it again.
    """
    try:
        yield from objects.read(name, columns, having=having)
    except DamagedFile as error:
        objects.remove(name)
        raise DamagedFile(error.found, where=error.where, expected=error.expected, action="refresh again: it is made again from raw documents") from error


def remove_unreadable(objects: ObjectStore, having: Collection[str]) -> list[str]:
    """Remove chunk files that cannot be read to their end, or lack a column, and return their names: the next refresh makes again those that it needs."""
    removed = []
    for name in sorted(name for name, _made in objects.files() if name.startswith(f"{CHUNKS}/") and not name.endswith(PARTIAL)):
        try:
            deque(objects.read(name, having=having), maxlen=0)
        except DamagedFile:
            objects.remove(name)
            removed.append(name)
    return removed
