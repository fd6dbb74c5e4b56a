"""Parquet files in the object store (a folder, S3, GCS, Azure: whatever fsspec opens), written whole or not at all.

Names come from content or from database ids, so writing a file again puts the same bytes in the same place.
"""

import datetime as dt
import errno
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import fsspec

from kb_platform.knowledge.errors import StateError, TransientError, in_a_word

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 512
BATCH_BYTES = 64 << 20
MAY_PASS = (errno.EIO, errno.EBUSY, errno.ETIMEDOUT, errno.ESTALE)  # as fsspec's drivers and network file systems say that a store is busy


WAY_OUT = "kb repair NAME fetches again what the source still has, and names the rest; or restore the file from a backup"


class DamagedFile(StateError):
    """A file that an earlier step has written is gone, cannot be read, or is another one."""


@dataclass(frozen=True)
class ObjectStore:
    """A folder in an object store, named by an fsspec URL or a local path."""

    root: str

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        return fsspec.core.url_to_fs(self.root)

    def url(self, name: str) -> str:
        """Return the full name of a file, for people."""
        return f"{self.root.rstrip('/')}/{name}"

    def exists(self, name: str) -> bool:
        """Tell whether the file is there (then it is whole).

        Raises:
            TransientError: the store does not answer.
        """
        fs, root = self._opened
        with self._answering(name):
            return bool(fs.exists(f"{root}/{name}"))

    @contextmanager
    def _answering(self, name: str) -> Iterator[None]:
        """Say in one sentence that the store does not answer, or not in time; other errors are the caller's."""
        try:
            yield
        except OSError as error:
            if isinstance(error, ConnectionError | TimeoutError) or error.errno in MAY_PASS:
                raise TransientError(f"the object store does not answer ({error.strerror or in_a_word(error)})", where=self.url(name),
                                     action="run the step again when it does") from error
            raise

    def write(self, name: str, schema: "pa.Schema", rows: Iterable[dict[str, Any]]) -> int:
        """Write rows, at most 512 or 64 MiB in memory at a time, and return their number. A local file appears by rename, an object by its upload's end."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        fs, root = self._opened
        path = f"{root}/{name}"
        fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        local = "file" in (fs.protocol if isinstance(fs.protocol, (list, tuple)) else (fs.protocol,))
        partial = f"{path}.{id(rows):x}.partial" if local else path
        count = 0
        try:
            with self._answering(name), fs.open(partial, "wb") as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
                for batch in _batched(rows):
                    writer.write_batch(pa.RecordBatch.from_pylist(batch, schema=schema))
                    count += len(batch)
        except BaseException:
            with suppress(OSError):
                fs.rm(partial)
            raise
        if partial != path:
            fs.mv(partial, path)
        return count

    def files(self) -> Iterator[tuple[str, dt.datetime]]:
        """Yield every file's name and when it was made."""
        fs, root = self._opened
        fs.invalidate_cache()
        for path in fs.find(root):
            with suppress(FileNotFoundError):  # gone since
                yield path.removeprefix(root).lstrip("/"), fs.modified(path)

    def remove(self, name: str) -> None:
        """Remove a file; it need not be there."""
        fs, root = self._opened
        with suppress(FileNotFoundError):
            fs.rm(f"{root}/{name}")

    def read(self, name: str, columns: list[str] | None = None, *, having: Collection[str] = ()) -> Iterator[dict[str, Any]]:
        """Yield rows, a batch in memory at a time, of those columns, or of all, among which are `having`.

        Raises:
            DamagedFile: the file is gone, cut off or another one, though the database says that it was written.
            TransientError: the store does not answer.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        fs, root = self._opened
        try:
            with self._answering(name), fs.open(f"{root}/{name}", "rb") as file:
                parquet = pq.ParquetFile(file)
                if lacking := sorted({*having, *(column.split(".")[0] for column in columns or ())} - set(parquet.schema_arrow.names)):
                    raise self.damaged(name, f"the file is another one: it has no column {lacking[0]}")
                for group in range(parquet.num_row_groups):
                    yield from parquet.read_row_group(group, columns=columns).to_pylist()
        except FileNotFoundError as error:
            raise self.damaged(name, "the file is not there") from error
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:  # of the system, not of what the file holds
                raise
            raise self.damaged(name, "the file is damaged: it was cut off or overwritten") from error

    def damaged(self, name: str, found: str) -> DamagedFile:
        """Return the error that says what was found instead of a file that an earlier step wrote."""
        return DamagedFile(found, where=self.url(name), expected="what an earlier step wrote", action=WAY_OUT)


def _batched(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += len(row.get("content") or b"")
        if len(batch) == BATCH_ROWS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
