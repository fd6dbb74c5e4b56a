"""The golden set: questions whose answers are known, anchored to quoted passages.

A golden names a document and a quote, never a chunk id: chunks change with the chunker, quotes only when the document does.
Files are checked by pydantic and become frozen values; whether a quote still stands in its document is passages.py's matter.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from kb_platform.knowledge.errors import ConfigError
from kb_platform.quality.located_files import YamlFile, json_object, jsonl_lines, jsonl_objects, validate, validated

ALL_SLICE = "all"
CRITICAL_SLICE = "critical"
SUFFIXES = (".yaml", ".yml", ".jsonl")


class Severity(StrEnum):
    """How much a lost answer matters."""

    NORMAL = "normal"
    CRITICAL = "critical"


@dataclass(frozen=True)
class ExpectedPassage:
    """A passage that answers: the quote as it stands in the document. Without a source, any source's document of that id.

    Without a quote the whole document answers: judgments of documents, as BEIR and TREC have them.
    """

    document: str
    quote: str | None
    source: str | None = None


@dataclass(frozen=True)
class Golden:
    """A question with the passages that answer it."""

    id: str
    question: str
    expected: tuple[ExpectedPassage, ...]
    slices: tuple[str, ...] = ()
    severity: Severity = Severity.NORMAL
    answer: str | None = None


@dataclass(frozen=True)
class GoldenSet:
    """All goldens of a knowledge base, ordered by id. Equal hashes mean that results may be compared."""

    goldens: tuple[Golden, ...]
    content_hash: str

    @classmethod
    def of(cls, goldens: list[Golden]) -> "GoldenSet":
        """Return the set with its SHA-256, which is the same for any order of goldens, slices, passages and files."""
        ordered = tuple(sorted(goldens, key=lambda golden: golden.id))
        rows = [_canonical(golden) for golden in ordered]
        return cls(ordered, hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest())

    @property
    def slices(self) -> tuple[str, ...]:
        """Return the names of all slices, sorted."""
        return tuple(sorted({name for golden in self.goldens for name in golden.slices}))

    def can_be_floored(self) -> tuple[str, ...]:
        """Return the names that a floor of the gate may have: a slice without a golden can never hold one."""
        critical = any(golden.severity is Severity.CRITICAL for golden in self.goldens)
        return (ALL_SLICE, *((CRITICAL_SLICE,) if critical else ()), *self.slices)


def _canonical(golden: Golden) -> dict[str, object]:
    row = asdict(golden)
    row["slices"] = sorted(golden.slices)
    row["expected"] = sorted(json.dumps(passage, sort_keys=True) for passage in row["expected"])
    return row


def _can_be_stored(text: str) -> str:
    if "\0" in text:
        raise ValueError("no database holds the character NUL")
    return text


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_can_be_stored)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Passage(_Strict):
    """A whole document is said aloud: a quote that was forgotten must not become a golden that any chunk of it answers."""

    document: Text
    quote: Text | None
    source: Text | None = None
    whole: Literal[True] | None = None

    @model_validator(mode="before")
    @classmethod
    def _a_whole_document_needs_no_quote(cls, value: object) -> object:
        return {"quote": None, **value} if isinstance(value, dict) and "whole" in value else value

    @model_validator(mode="after")
    def _one_of_both(self) -> "_Passage":
        if (self.quote is None) != bool(self.whole):
            raise ValueError("a quote, or `whole: true` where the whole document answers, belongs here")
        return self

    @field_validator("quote")
    @classmethod
    def _has_words(cls, value: str | None) -> str | None:
        if value is not None and not any(c.isalnum() for c in value):
            raise ValueError("a quote needs at least one word")
        return value

    def frozen(self) -> ExpectedPassage:
        return ExpectedPassage(self.document, self.quote, self.source)


class _Golden(_Strict):
    id: Text
    question: Text
    slices: list[Annotated[Text, StringConstraints(pattern=r"^[\w.-]+$", max_length=64)]] = []
    severity: Literal["normal", "critical"] = "normal"
    expected: Annotated[list[_Passage], Field(min_length=1)]
    answer: Text | None = None

    @field_validator("id", mode="before")
    @classmethod
    def _number_is_an_id(cls, value: object) -> object:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("slices")
    @classmethod
    def _slices_are_free_names(cls, value: list[str]) -> list[str]:
        if taken := {ALL_SLICE, CRITICAL_SLICE} & set(value):
            raise ValueError(f"{taken.pop()!r} is no name for a slice: every golden is in `all`; write `severity: critical`")
        return sorted(set(value))

    @field_validator("expected")
    @classmethod
    def _passages_differ(cls, value: list[_Passage]) -> list[_Passage]:
        if len({p.frozen() for p in value}) < len(value):
            raise ValueError("the same passage is given twice")
        return value

    def frozen(self) -> Golden:
        passages = tuple(p.frozen() for p in self.expected)
        return Golden(self.id, self.question, passages, tuple(self.slices), Severity(self.severity), self.answer)


class _GoldenFile(_Strict):
    version: Literal[1]
    goldens: list[_Golden]


class _Head(_Strict):
    """What stands around the goldens, whose mistakes are named one by one."""

    version: Literal[1]
    goldens: list[object]


def golden_files(folder: Path) -> list[Path]:
    """Return the golden files under a folder, sorted; hidden files (an editor's locks and backups) are left out."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    return sorted(path for path in found if not path.name.startswith("."))


def load_golden_set(folder: Path) -> GoldenSet | None:
    """Return the golden set in a folder of *.yaml, *.yml and *.jsonl; None where there is no golden.

    Raises:
        ConfigError: naming file, line and field: bad syntax, an unknown or missing field, a wrong value, an id used twice.
    """
    goldens = [golden for golden, _ in located_goldens(folder).values()]
    return GoldenSet.of(goldens) if goldens else None


def located_goldens(folder: Path) -> dict[str, tuple[Golden, str]]:
    """Return each golden with its place (`file:line:field`), by id; ConfigError as load_golden_set."""
    found: dict[str, tuple[Golden, str]] = {}
    for path in golden_files(folder):
        for where, golden in read_goldens(path):
            if golden.id in found:
                first = found[golden.id][1]
                raise ConfigError(f"the id {golden.id!r} is used twice", where=where, expected=f"another id than that at {first}")
            found[golden.id] = golden, where
    return found


def read_goldens(path: Path) -> Iterator[tuple[str, Golden]]:
    """Yield the goldens of one file, each with its place; ConfigError as load_golden_set."""
    if path.suffix.lower() == ".jsonl":
        for line, value in jsonl_objects(path):
            yield f"{path}:{line}:id", validate(_Golden, value, (path, line)).frozen()
        return
    file = YamlFile(path)
    for number, golden in enumerate(validate(_GoldenFile, file.value, file).goldens):
        yield _place(file, ("goldens", number, "id")), golden.frozen()


@dataclass(frozen=True)
class LocatedGolden:
    """A golden with its place, and that of each of its passages: `file:line:field`."""

    golden: Golden
    where: str
    passages: tuple[str, ...]


def try_goldens(folder: Path) -> tuple[list[LocatedGolden], list[ConfigError]]:
    """Return the goldens of a folder that are right, and every mistake of the others: for whoever writes them."""
    found: list[LocatedGolden] = []
    wrong: list[ConfigError] = []
    for path in golden_files(folder):
        try:
            right, mistakes = _try_lines(path) if path.suffix.lower() == ".jsonl" else _try_yaml(YamlFile(path))
        except ConfigError as error:  # the file as a whole
            right, mistakes = [], [error]
        found += right
        wrong += mistakes
    first: dict[str, str] = {}
    for each in found:
        if (place := first.setdefault(each.golden.id, each.where)) != each.where:
            wrong.append(ConfigError(f"the id {each.golden.id!r} is used twice", where=each.where, expected=f"another id than that at {place}"))
    return found, wrong


def _try_lines(path: Path) -> tuple[list[LocatedGolden], list[ConfigError]]:
    found: list[LocatedGolden] = []
    wrong: list[ConfigError] = []
    for line, text in jsonl_lines(path):
        try:
            golden, mistakes = validated(_Golden, json_object(text, f"{path}:{line}"), (path, line))
        except ConfigError as error:
            golden, mistakes = None, [error]
        wrong += mistakes
        if golden is not None:
            found.append(LocatedGolden(golden.frozen(), f"{path}:{line}:id", tuple(f"{path}:{line}:expected.{n}" for n in range(len(golden.expected)))))
    return found, wrong


def _try_yaml(file: YamlFile) -> tuple[list[LocatedGolden], list[ConfigError]]:
    _, wrong = validated(_Head, file.value, file)
    values = file.value.get("goldens") if isinstance(file.value, dict) else None
    found: list[LocatedGolden] = []
    for number, value in enumerate(values if isinstance(values, list) else ()):
        at = ("goldens", number)
        golden, mistakes = validated(_Golden, value, file, at)
        wrong += mistakes
        if golden is not None:
            passages = tuple(_place(file, (*at, "expected", n)) for n in range(len(golden.expected)))
            found.append(LocatedGolden(golden.frozen(), _place(file, (*at, "id")), passages))
    return found, wrong


def _place(file: YamlFile, field: tuple[str | int, ...]) -> str:
    return f"{file.path}:{file.line_of(field)}:{'.'.join(map(str, field))}"
