"""A folder of documents. The id of a document is its path below the folder, with forward slashes.

Unchanged files are not read again. Their stamp is size, modification time and change time, and it is trusted only where both
times were more than two seconds old when the file was read: clocks tick coarsely, and a second edit within a tick would leave
size and times alone. Change time catches what sets the modification time back, as archives and copies do.
"""

import os
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from kb_platform.ingest.doc_ids import id_problem, shown
from kb_platform.ingest.folder_walk import FolderWalk, Tally
from kb_platform.ingest.formats import EXTRA_MEDIA_TYPES, MEDIA_TYPES
from kb_platform.ingest.globs import compile_glob, matches_any
from kb_platform.ingest.sources import Failed, Item, Mark, Unchanged, Upsert, refuse_emptied
from kb_platform.knowledge.documents import DocumentFailure, RawDocument
from kb_platform.knowledge.errors import SourceError

SETTLED_NS = 2_000_000_000


class Settings(BaseModel):
    """Options of kind `files`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["files"] = "files"
    path: Annotated[Path, Field(description="The folder; read with all folders below it.")]
    include: Annotated[tuple[str, ...], Field(description="Patterns of what to read, as in .gitignore; empty: everything.")] = ()
    exclude: Annotated[tuple[str, ...], Field(description="Patterns of what to leave out.")] = ()
    extra_formats: Annotated[
        tuple[Literal["csv", "tsv", "xml", "xlsx", "pptx", "eml"], ...],
        Field(description="Formats that are read on request: csv, tsv and xlsx tables, xml articles (JATS), pptx slides, eml messages."),
    ] = ()
    max_bytes: Annotated[int, Field(gt=0, description="A larger file is reported instead of read.")] = 50 << 20
    allow_empty: Annotated[bool, Field(description="Let a folder that lost all its documents delete them all.")] = False


class _Refused(Exception):
    """Why a file that was meant to be a document cannot be used."""


class _Ignored(Exception):
    """Why an entry is no document of this source."""


class Source:
    """A folder, read recursively; hidden entries, links to folders and links out of it are left alone."""

    def __init__(self, settings: Settings) -> None:
        """Take checked settings."""
        self.settings, self.root = settings, settings.path
        self.types = MEDIA_TYPES | {s: t for s, t in EXTRA_MEDIA_TYPES.items() if s[1:] in settings.extra_formats}
        self._include = tuple(map(compile_glob, settings.include))
        self._exclude = tuple(map(compile_glob, settings.exclude))

    def scan(self, known: Mapping[str, Mark]) -> Iterator[Item]:
        """Yield every file of a known format, folder by folder in the order of names, then what was skipped.

        Raises:
            SourceError: the folder is not there, cannot be listed, was replaced during the scan, or lost all its documents.
        """
        identity, skipped, found = self._identity(), Tally(), 0
        walk = FolderWalk(self.root, skipped)
        try:
            for doc_id, path in walk:
                item = self._item(doc_id, path, known.get(doc_id), skipped)
                if item is not None:
                    found += 1
                    yield item
        except OSError as error:
            raise self._unusable(f"cannot be listed ({error.strerror})") from None
        yield from self._unlisted(walk.unlisted, known)
        if self._identity() != identity:
            raise self._unusable("was replaced or unmounted while it was read")
        if not found and not walk.unlisted:
            refuse_emptied(str(self.root), known, allow_empty=self.settings.allow_empty)
        yield from skipped.items()

    def _identity(self) -> tuple[int, int]:
        try:
            os.scandir(self.root).close()
            status = os.stat(self.root)
        except (FileNotFoundError, NotADirectoryError):
            raise self._unusable("no such folder") from None
        except OSError as error:
            raise self._unusable(f"cannot be listed ({error.strerror})") from None
        return status.st_dev, status.st_ino

    def _unusable(self, found: str) -> SourceError:
        return SourceError(found, where=str(self.root), expected="a folder of documents",
                           action="correct `path`, mount the folder or check its permissions; nothing was deleted")

    def _unlisted(self, folders: Mapping[str, str], known: Mapping[str, Mark]) -> Iterator[Item]:
        """Yield a report for each folder that could not be listed, and keep what is known below it."""
        for folder, reason in folders.items():
            kept = f"folder cannot be listed ({reason}): its documents stay as they were"
            yield Failed(DocumentFailure(shown(folder), shown(folder), kept))
            for doc_id, mark in known.items():
                if doc_id.startswith(f"{folder}/"):
                    yield Unchanged(doc_id, mark.stamp)

    def _item(self, doc_id: str, path: Path, known: Mark | None, skipped: Tally) -> Item | None:
        """Return what an entry is; None if it is no document, or is gone since it was listed."""
        try:
            self._check_name(doc_id)
            return self._read(doc_id, self._target(path), known)
        except FileNotFoundError:
            return None
        except _Ignored as ignored:
            return skipped.add(str(ignored), shown(doc_id))
        except _Refused as refused:
            reason = str(refused)
        except OSError as error:
            reason = f"cannot be read ({error.strerror})"
        return Failed(DocumentFailure(shown(doc_id), shown(doc_id), reason))

    def _check_name(self, doc_id: str) -> None:
        suffix = PurePosixPath(doc_id).suffix.lower()
        if suffix not in self.types:
            raise _Ignored(f"no reader for {shown(suffix)}" if suffix else "no reader for names without a suffix")
        if (self._include and not matches_any(doc_id, self._include)) or matches_any(doc_id, self._exclude):
            raise _Ignored("left out by include or exclude")
        if problem := id_problem(doc_id):
            raise _Refused(problem)

    def _target(self, path: Path) -> Path:
        """Return the file that is meant: links within the folder are followed (mounted configuration consists of them)."""
        if not path.is_symlink():
            return path
        try:
            target = path.resolve(strict=True)
        except (OSError, RuntimeError):  # a loop is the latter before Python 3.13
            raise _Ignored("a link that leads nowhere") from None
        if not target.is_relative_to(self.root.resolve()):
            raise _Ignored("a link out of the folder")
        return target

    def _read(self, doc_id: str, path: Path, known: Mark | None) -> Item:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise _Ignored("no file (a pipe, socket or device)")
        # O_NOFOLLOW and O_NONBLOCK: what has become a link or a pipe since then is neither followed nor waited for.
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            before = os.fstat(file.fileno())
            stamp = _stamp(before, time.time_ns())
            if known is not None and stamp and known.stamp == stamp:
                return Unchanged(doc_id, stamp)
            if before.st_size > self.settings.max_bytes:
                raise _Refused(f"{before.st_size:,} bytes: more than max_bytes ({self.settings.max_bytes:,})")
            content = file.read(self.settings.max_bytes + 1)
            after = os.fstat(file.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or len(content) != before.st_size:
            raise _Refused("changed while it was read: the next capture reads it again")
        document = RawDocument(doc_id, content, self.types[PurePosixPath(doc_id).suffix.lower()], doc_id)
        return Unchanged(doc_id, stamp) if known is not None and known.digest == document.digest else Upsert(document, stamp)


def _stamp(status: os.stat_result, now_ns: int) -> str:
    """Return what tells this content from any later one; empty while a later edit could still leave it as it is."""
    if now_ns - max(status.st_mtime_ns, status.st_ctime_ns) <= SETTLED_NS:
        return ""
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}"
