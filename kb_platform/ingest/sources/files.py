"""A folder of documents. The id of a document is its path below the folder, with forward slashes.

Unchanged files are not read again: size and modification time are trusted once the file is two seconds older than the scan that
saw it, for a clock's tick may hide a second edit.
"""

import os
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path

from kb_platform.ingest.sources import Failed, Item, Mark, Unchanged, Upsert
from kb_platform.knowledge.documents import DocumentFailure, RawDocument
from kb_platform.knowledge.errors import SourceError

MEDIA_TYPES = {
    ".md": "text/markdown", ".markdown": "text/markdown", ".txt": "text/plain", ".html": "text/html", ".htm": "text/html",
    ".pdf": "application/pdf", ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}
MAX_BYTES = 50 << 20
SETTLED = 2_000_000_000


class Source:
    """A folder, read recursively; hidden entries and links out of it are left alone."""

    def __init__(self, path: str, include: Sequence[str] = (), exclude: Sequence[str] = (), max_bytes: int = MAX_BYTES) -> None:
        """Take the folder, glob patterns over ids, and the largest file that is read."""
        self.root, self.include, self.exclude, self.max_bytes = Path(path), include, exclude, max_bytes

    def scan(self, known: Mapping[str, Mark]) -> Iterator[Item]:
        """Yield every file of a known format, in the order of ids.

        Raises:
            SourceError: the folder is not there or cannot be listed.
        """
        if not self.root.is_dir():
            raise SourceError("no such folder", where=str(self.root), expected="a folder of documents",
                              action="correct `path` in defs.yaml, or mount it; nothing was deleted")
        for doc_id, path in sorted(self._files()):
            yield from self._item(doc_id, path, known.get(doc_id))

    def _files(self) -> Iterator[tuple[str, Path]]:
        def refuse(error: OSError) -> None:
            raise SourceError("cannot be listed", where=str(error.filename), action="check its permissions; nothing was deleted") from error

        for folder, names, files in os.walk(self.root, onerror=refuse):
            names[:] = sorted(n for n in names if not n.startswith("."))
            for name in files:
                path = Path(folder, name)
                doc_id = path.relative_to(self.root).as_posix()
                if not name.startswith(".") and path.suffix.lower() in MEDIA_TYPES and self._wanted(doc_id):
                    yield doc_id, path

    def _wanted(self, doc_id: str) -> bool:
        return (not self.include or any(fnmatch(doc_id, p) for p in self.include)) and not any(fnmatch(doc_id, p) for p in self.exclude)

    def _item(self, doc_id: str, path: Path, known: Mark | None) -> Iterator[Item]:
        try:
            doc_id.encode()
            if path.is_symlink() and not path.resolve().is_relative_to(self.root.resolve()):
                return
            status = path.stat()
            stamp = f"{status.st_size}:{status.st_mtime_ns}" if time.time_ns() - status.st_mtime_ns > SETTLED else ""
            if known and stamp and known.stamp == stamp:
                yield Unchanged(doc_id, stamp)
            elif not stat.S_ISREG(status.st_mode) or status.st_size > self.max_bytes:
                yield self._failed(doc_id, f"{status.st_size:,} bytes: larger than {self.max_bytes:,}")
            else:
                document = RawDocument(doc_id, path.read_bytes(), MEDIA_TYPES[path.suffix.lower()], doc_id)
                same = known is not None and known.digest == document.digest
                yield Unchanged(doc_id, stamp) if same else Upsert(document, stamp)
        except FileNotFoundError:  # gone since it was listed: the next scan will say so
            return
        except UnicodeEncodeError:
            yield self._failed(doc_id.encode(errors="surrogateescape").decode(errors="backslashreplace"), "the file name is not UTF-8")
        except OSError as error:
            yield self._failed(doc_id, f"cannot be read ({error.strerror})")

    def _failed(self, doc_id: str, reason: str) -> Failed:
        return Failed(DocumentFailure(doc_id, doc_id, reason))
