"""Files that can be made again from raw documents, and halves of files that a killed process left. Raw documents are kept for ever."""

import datetime as dt

from kb_platform.storage.objects import ObjectStore

CHUNKS = "chunks"
PARTIAL = ".partial"  # ObjectStore.write renames it when the file is whole
ABANDONED = dt.timedelta(days=1)


def removable_files(objects: ObjectStore, derived: dt.datetime, now: dt.datetime) -> list[str]:
    """Return chunk files made before `derived`, and parts of files that nobody writes any more.

    A pending delivery whose chunk file is gone is chunked again by the next refresh.
    """
    return sorted(name for name, made in objects.files() if made < now - ABANDONED and name.endswith(PARTIAL)
                  or name.startswith(f"{CHUNKS}/") and made < derived)
