"""One JSON object a line: doc_id (or _id, as in BEIR), title, text; every other field is metadata. Streams."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kb_platform.ingest.sources import Failed, Item, Mark, Unchanged, Upsert
from kb_platform.knowledge.documents import DocumentFailure, RawDocument
from kb_platform.knowledge.errors import SourceError

FILES = ("documents.jsonl", "corpus.jsonl")
RESERVED = ("doc_id", "_id", "title", "text", "metadata")


class Source:
    """A .jsonl file, or a folder that holds documents.jsonl or corpus.jsonl."""

    def __init__(self, path: str) -> None:
        """Take the file or folder."""
        self.path = Path(path)

    def scan(self, known: Mapping[str, Mark]) -> Iterator[Item]:
        """Yield every line's document; an id that comes again is reported, and its first line counts.

        Raises:
            SourceError: there is no such file, or a line without a readable id makes it unknown what was deleted.
        """
        file, seen, unidentified = self._file(), set[str](), 0
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                where = f"{file.name}:{number}"
                if not line.strip().removeprefix(b"\xef\xbb\xbf"):
                    continue
                item = self._item(line, where, known, seen)
                unidentified += isinstance(item, Failed) and item.failure.doc_id == where
                yield item
        if unidentified:  # any of them may be a known document: deleting what was not seen would be a guess
            for doc_id in set(known) - seen:
                yield Unchanged(doc_id)

    def _file(self) -> Path:
        candidates = [self.path / name for name in FILES] if self.path.is_dir() else [self.path]
        found = next((c for c in candidates if c.is_file()), None)
        if found is None:
            raise SourceError("no such file", where=" or ".join(map(str, candidates)), expected="one JSON object a line",
                              action="correct `path` in defs.yaml; nothing was deleted")
        return found

    def _item(self, line: bytes, where: str, known: Mapping[str, Mark], seen: set[str]) -> Item:
        try:
            value = json.loads(line.decode("utf-8-sig"))
        except UnicodeDecodeError:
            return Failed(DocumentFailure(where, where, "not UTF-8"))
        except (ValueError, RecursionError):
            return Failed(DocumentFailure(where, where, "not a JSON object on one line"))
        doc_id = value.get("doc_id", value.get("_id")) if isinstance(value, dict) else None
        if not isinstance(doc_id, (str, int)) or isinstance(doc_id, bool) or not str(doc_id).strip():
            return Failed(DocumentFailure(where, where, "no doc_id"))
        doc_id = str(doc_id)
        if doc_id in seen:
            return Failed(DocumentFailure(doc_id, where, "doc_id was on an earlier line, which counts"))
        seen.add(doc_id)
        return self._document(value, doc_id, where, known.get(doc_id))

    def _document(self, value: dict[str, Any], doc_id: str, where: str, known: Mark | None) -> Item:
        title, text = value.get("title") or "", value.get("text")
        if not isinstance(text, str) or not isinstance(title, str):
            return Failed(DocumentFailure(doc_id, where, "title and text must be strings"))
        try:
            document = RawDocument(doc_id, text.encode(), "text/markdown", where, title, _metadata(value))
        except UnicodeEncodeError:
            return Failed(DocumentFailure(doc_id, where, "text holds half of a surrogate pair"))
        # The line number is where it was found, not what it is: it is no part of the digest.
        return Unchanged(doc_id) if known and known.digest == document.digest else Upsert(document)


def _metadata(value: dict[str, Any]) -> dict[str, str | list[str]]:
    nested = value.get("metadata")
    free = {**{k: v for k, v in value.items() if k not in RESERVED}, **(nested if isinstance(nested, dict) else {})}
    return {key: _plain(v) for key, v in free.items() if v is not None and v != [] and v != ""}


def _plain(value: Any) -> str | list[str]:
    if isinstance(value, list):
        return [v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in value]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
