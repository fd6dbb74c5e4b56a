"""One JSON object a line: doc_id (or _id, as in BEIR), title, text; every other field is metadata.

The file is read twice, line by line: an id may come again further down, where it is corrected, and its last line counts. Only ids
and line numbers are kept in memory.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, Field

from kb_platform.ingest.doc_ids import id_problem
from kb_platform.ingest.sources import Failed, Item, Mark, Unchanged, Upsert, refuse_emptied
from kb_platform.knowledge.documents import DocumentFailure, RawDocument
from kb_platform.knowledge.errors import SourceError, TransientError

FILES = ("documents.jsonl", "corpus.jsonl")
_OWN = ("doc_id", "_id", "title", "text", "metadata")


class Settings(BaseModel):
    """Options of kind `jsonl`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["jsonl"] = "jsonl"
    path: Annotated[Path, Field(description="A .jsonl file, or a folder that holds documents.jsonl or corpus.jsonl.")]
    max_bytes: Annotated[int, Field(gt=0, description="A longer line is reported instead of read.")] = 50 << 20
    text_format: Annotated[
        Literal["plain", "markdown"], Field(description="What `text` is written in, where a line's own `format` does not say it.")
    ] = "plain"
    allow_empty: Annotated[bool, Field(description="Let a file that lost all its lines delete all documents.")] = False


class _BadLine(Exception):
    """Why a line cannot be used; `doc_id` is empty where the line does not tell."""

    def __init__(self, reason: str, doc_id: str = "") -> None:
        super().__init__(reason)
        self.reason, self.doc_id = reason, doc_id


class Source:
    """A .jsonl file, or a folder that holds documents.jsonl or corpus.jsonl."""

    def __init__(self, settings: Settings) -> None:
        """Take checked settings."""
        self.settings = settings

    def scan(self, known: Mapping[str, Mark]) -> Iterator[Item]:
        """Yield every line's document, in the order of the file.

        An id that comes again is reported; its last line counts. A line whose id cannot be known may be any known document:
        then nothing counts as deleted, and a report says so.

        Raises:
            SourceError: there is no such file, it cannot be read, or it lost all its documents.
            TransientError: it was written to meanwhile; half of a file must not read as the deletion of the other half.
        """
        path = self._path()
        try:
            with path.open("rb") as file:
                before = os.fstat(file.fileno())
                last, unidentified = self._index(file)
                file.seek(0)
                yield from self._documents(file, path.name, last, known)
                after = os.fstat(file.fileno())
        except OSError as error:
            raise SourceError(f"cannot be read ({error.strerror})", where=str(path), action="nothing was deleted") from None
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise TransientError("was written to while it was read", where=str(path), action="capture again when it is complete")
        if unidentified:
            yield from self._kept(path.name, unidentified, last, known)
        elif not last:
            refuse_emptied(str(path), known, allow_empty=self.settings.allow_empty)

    def _path(self) -> Path:
        path = self.settings.path
        candidates = [path / name for name in FILES] if path.is_dir() else [path]
        found = next((c for c in candidates if c.is_file()), None)
        if found is None:
            raise SourceError("no such file", where=" or ".join(map(str, candidates)), expected="one JSON object a line",
                              action="correct `path`; nothing was deleted")
        return found

    def _index(self, file: BinaryIO) -> tuple[dict[str, int], int]:
        """Return the last line of each id, and how many lines have no readable id."""
        last, unidentified = dict[str, int](), 0
        for number, line in self._lines(file):
            try:
                last[_identified(line)[0]] = number
            except _BadLine:
                unidentified += 1
        return last, unidentified

    def _documents(self, file: BinaryIO, name: str, last: Mapping[str, int], known: Mapping[str, Mark]) -> Iterator[Item]:
        for number, line in self._lines(file):
            where = f"{name}:{number}"
            try:
                yield self._item(line, number, where, last, known)
            except _BadLine as bad:
                yield Failed(DocumentFailure(bad.doc_id or where, where, bad.reason))

    def _item(self, line: bytes, number: int, where: str, last: Mapping[str, int], known: Mapping[str, Mark]) -> Item:
        doc_id, value = _identified(line)
        if last.get(doc_id) != number:
            raise _BadLine(f"doc_id comes again on line {last.get(doc_id)}, which counts", doc_id)
        document = _document(doc_id, value, where, self.settings.text_format)
        # The line number is where it was found, not what it is: it is no part of the digest.
        mark = known.get(doc_id)
        return Unchanged(doc_id, mark.stamp) if mark and mark.digest == document.digest else Upsert(document)

    def _kept(self, name: str, unidentified: int, last: Mapping[str, int], known: Mapping[str, Mark]) -> Iterator[Item]:
        unseen = [doc_id for doc_id in known if doc_id not in last]
        if unseen:
            reason = f"{unidentified} lines without a readable doc_id: {len(unseen)} documents that were not seen stay"
            yield Failed(DocumentFailure(name, name, reason))
        for doc_id in unseen:
            yield Unchanged(doc_id, known[doc_id].stamp)

    def _lines(self, file: BinaryIO) -> Iterator[tuple[int, bytes]]:
        """Yield lines that hold anything, numbered from 1; an empty one stands for one that is too long."""
        number, limit = 0, self.settings.max_bytes
        while line := file.readline(limit + 1):
            number += 1
            rest = line
            while len(line) > limit and not rest.endswith(b"\n"):
                if not (rest := file.readline(1 << 20)):
                    break
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if line.strip():
                yield number, line if len(line) <= limit else b""


def _identified(line: bytes) -> tuple[str, dict[str, Any]]:
    """Return id and object of a line; an empty line stands for one that was too long."""
    if not line:
        raise _BadLine("the line is longer than max_bytes")
    try:
        value = json.loads(line.decode())
    except UnicodeDecodeError:
        raise _BadLine("the line is not UTF-8") from None
    except (ValueError, RecursionError):
        raise _BadLine("the line is no JSON") from None
    if not isinstance(value, dict):
        raise _BadLine("the line is JSON, but no object")
    doc_id = value.get("doc_id", value.get("_id"))
    if isinstance(doc_id, bool) or not isinstance(doc_id, str | int):
        raise _BadLine("no doc_id (or _id) that is a string or a whole number")
    if problem := id_problem(str(doc_id)):
        raise _BadLine(problem)
    return str(doc_id), value


def _document(doc_id: str, value: dict[str, Any], where: str, text_format: str) -> RawDocument:
    if "text" not in value:
        raise _BadLine("no field `text`", doc_id)
    text, title = value["text"] or "", value.get("title") or ""
    if not isinstance(text, str):
        raise _BadLine("`text` is no string", doc_id)
    if isinstance(title, list | dict):
        raise _BadLine("`title` is no string", doc_id)
    try:
        document = RawDocument(doc_id, text.encode(), _media_type(value, text_format), where, _plain(title), _metadata(value))
        _ = document.digest  # encodes title and metadata too
    except UnicodeEncodeError:
        raise _BadLine("it holds half of a surrogate pair, which is no character", doc_id) from None
    return document


def _media_type(value: dict[str, Any], text_format: str) -> str:
    """Return what a line's text is: as its `format` (or `media_type`) says, else as the source does. Angle brackets in plain text are text."""
    said = str(value.get("format") or value.get("media_type") or text_format).lower().removeprefix("text/")
    return "text/markdown" if said in ("markdown", "md") else "text/plain"


def _metadata(value: dict[str, Any]) -> dict[str, str | list[str]]:
    """Return the free fields; those in `metadata` win over those beside it."""
    nested = value.get("metadata")
    beside = {key: v for key, v in value.items() if key not in _OWN}
    free = beside | (nested if isinstance(nested, dict) else {"metadata": nested})
    return {key: _metadata_value(v) for key, v in free.items() if v not in (None, "", [], {})}


def _metadata_value(value: Any) -> str | list[str]:
    return [_plain(item) for item in value] if isinstance(value, list) else _plain(value)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
