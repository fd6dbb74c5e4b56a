"""Adds to golden files as a careful person would: what stands there stays as it is, comments and layout included.

YAML libraries that keep comments reflow what they write. Here the text is inserted where the parser says that the list ends; the
result is read back, and must hold the old goldens and the new one, before it takes the file's place.
"""

import fcntl
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from kb_platform.knowledge.errors import ConfigError
from kb_platform.quality.golden import ExpectedPassage, Golden, Severity, located_goldens, read_goldens
from kb_platform.quality.located_files import YamlFile, read_text

NEW_FILE = "version: 1\ngoldens:\n"


def golden_row(golden: Golden) -> dict[str, Any]:
    """Return a golden as a golden file has it; what is at its default is left out."""
    row: dict[str, Any] = {"id": golden.id, "question": golden.question}
    if golden.slices:
        row["slices"] = list(golden.slices)
    if golden.severity is not Severity.NORMAL:
        row["severity"] = golden.severity.value
    row["expected"] = [_passage_row(passage) for passage in golden.expected]
    return row | ({"answer": golden.answer} if golden.answer else {})


def _passage_row(passage: ExpectedPassage) -> dict[str, Any]:
    row: dict[str, Any] = {"document": passage.document}
    row |= {"whole": True} if passage.quote is None else {"quote": passage.quote}
    return row | ({"source": passage.source} if passage.source else {})


def append_golden(folder: Path, path: Path, golden: Golden) -> None:
    """Append a golden to a .yaml or .jsonl file of a golden folder, made if absent.

    Raises:
        ConfigError: the id is used in the folder, or the file is such that nothing can be appended safely.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder):
        if golden.id in (used := located_goldens(folder)):
            raise ConfigError(f"the id {golden.id!r} is used at {used[golden.id][1]}", where=str(path), expected="an id that is free")
        old = list(read_goldens(path)) if path.exists() else []
        with draft(path) as written:
            written.write_text(_appended(path, golden), encoding="utf-8")
            if [g for _, g in read_goldens(written)] != [*(g for _, g in old), golden]:
                raise ConfigError("cannot be added to safely", where=str(path), action="write the golden by hand, or name another file")


def write_goldens(folder: Path, path: Path, goldens: Iterable[Golden]) -> None:
    """Write goldens to a new JSONL file of a golden folder: all or nothing.

    Raises:
        ConfigError: the file is there already, or an id is used twice.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder):
        if path.exists():
            raise ConfigError("is there already", where=str(path), action="name another file with --file")
        used = located_goldens(folder)
        with draft(path) as written:
            written.write_text("".join(json.dumps(golden_row(golden), ensure_ascii=False) + "\n" for golden in goldens), encoding="utf-8")
            for where, golden in read_goldens(written):
                if golden.id in used:
                    raise ConfigError(f"the id {golden.id!r} is used at {used[golden.id][1]}", where=str(path), expected="ids that are free")
                used[golden.id] = golden, where


def write_drafts(path: Path, head: str, goldens: Sequence[Golden]) -> None:
    """Write goldens to a new YAML file, for a person to read: all or nothing. The comment `head` comes first.

    Raises:
        ConfigError: the file is there already.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with alone(path.parent):
        if path.exists():
            raise ConfigError("is there already", where=str(path), action="name another file with --out, or move the drafts that you confirm")
        with draft(path) as written:
            written.write_text(head + NEW_FILE + "".join(as_block(golden, 2) for golden in goldens), encoding="utf-8")
            if [golden for _, golden in read_goldens(written)] != list(goldens):
                raise ConfigError("the drafts cannot be written so that they are read as they are", where=str(path), expected="text that YAML can hold")


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other writers of the folder out: two that append at once would each lose the other's golden."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def draft(path: Path) -> Iterator[Path]:
    """Give a hidden file beside the target, which takes its place and its mode when the block ends well."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(handle)
    hidden = Path(name)
    try:
        yield hidden
        hidden.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        with hidden.open("rb") as file:
            os.fsync(file.fileno())
        hidden.replace(path)
    except ConfigError as error:
        error.where = error.where.replace(name, str(path))  # nobody ever sees the draft
        raise
    finally:
        hidden.unlink(missing_ok=True)


def _appended(path: Path, golden: Golden) -> str:
    if path.suffix.lower() == ".jsonl":
        before = read_text(path) if path.exists() else ""
        return _with_line_end(before) + json.dumps(golden_row(golden), ensure_ascii=False) + "\n"
    if not path.exists():
        return NEW_FILE + as_block(golden, 2)
    return _insert(read_text(path), YamlFile(path).node_of("goldens"), golden)


def _insert(text: str, node: Any, golden: Golden) -> str:
    if not isinstance(node, yaml.SequenceNode):
        return text  # which reads back without the golden
    start, end = node.start_mark.index, node.end_mark.index
    if node.flow_style and node.value:
        return f"{text[: end - 1]}, {json.dumps(golden_row(golden), ensure_ascii=False)}{text[end - 1 :]}"
    if node.flow_style:
        return f"{text[:start].rstrip(' ')}\n{as_block(golden, 2)}{text[end:].lstrip(' ').removeprefix(chr(10))}"
    lines = text.splitlines(keepends=True)
    last = last_line(node.value[-1])
    head, tail = "".join(lines[: last + 1]), "".join(lines[last + 1 :])
    return _with_line_end(head) + as_block(golden, node.start_mark.column) + tail


def last_line(node: Any) -> int:
    """Return the line on which the last character of a node stands: collections end where the next token begins."""
    children = node.value if isinstance(node.value, list) else []
    pieces = [piece for child in children for piece in (child if isinstance(child, tuple) else (child,))]
    if pieces and not node.flow_style:
        return max(last_line(piece) for piece in pieces)
    return node.end_mark.line - (node.end_mark.column == 0 and node.end_mark.line > node.start_mark.line)


def as_block(golden: Golden, indent: int) -> str:
    """Return a golden as an item of a YAML list."""
    text = yaml.safe_dump([golden_row(golden)], sort_keys=False, allow_unicode=True, width=10**6)
    return "".join(" " * indent + line for line in text.splitlines(keepends=True))


def _with_line_end(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"
