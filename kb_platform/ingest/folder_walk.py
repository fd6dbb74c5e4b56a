"""Walks a folder: what may be a document, what is none and why, and which parts could not be seen.

Nothing is followed that leads elsewhere: links to folders are left alone, so that there are no loops. A folder that cannot be
listed hides its documents; that is not the same as their being gone, so that the walk remembers it.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from kb_platform.ingest.sources import Skipped


class Tally:
    """Counts what was skipped, by reason, with the first example of each."""

    def __init__(self) -> None:
        """Start at nothing."""
        self._counts: dict[str, int] = {}
        self._examples: dict[str, str] = {}

    def add(self, reason: str, example: str) -> None:
        """Count one."""
        self._counts[reason] = self._counts.get(reason, 0) + 1
        self._examples.setdefault(reason, example)

    def items(self) -> list[Skipped]:
        """Return the counts, most frequent first."""
        ordered = sorted(self._counts, key=lambda reason: (-self._counts[reason], reason))
        return [Skipped(reason, self._counts[reason], self._examples[reason]) for reason in ordered]


class FolderWalk:
    """One walk over a folder. `unlisted` is filled while it runs: folders (ids without a slash at the end) and why."""

    def __init__(self, root: Path, skipped: Tally) -> None:
        """Take the folder, and where to count hidden entries and links."""
        self.root, self.skipped = root, skipped
        self.unlisted: dict[str, str] = {}

    def __iter__(self) -> Iterator[tuple[str, Path]]:
        """Yield (id, path) of every entry that is no folder, in the order of names within each folder.

        Raises:
            OSError: the root itself cannot be listed.
        """
        for folder, names, files in os.walk(self.root, onerror=self._note):
            names[:] = [name for name in sorted(names) if self._is_entered(Path(folder, name))]
            for name in sorted(files):
                path = Path(folder, name)
                if name.startswith("."):
                    self.skipped.add("hidden", self._id(path))
                else:
                    yield self._id(path), path

    def _is_entered(self, folder: Path) -> bool:
        if folder.name.startswith("."):
            self.skipped.add("hidden", self._id(folder))
            return False
        if folder.is_symlink():
            self.skipped.add("a link to a folder", self._id(folder))
            return False
        return True

    def _note(self, error: OSError) -> None:
        folder = self._id(Path(error.filename))
        if folder == ".":
            raise error
        if not isinstance(error, FileNotFoundError):  # one that is gone since its parent was listed is gone with its documents
            self.unlisted[folder] = error.strerror or type(error).__name__

    def _id(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()
