"""Goldens as deepeval's, and back. The records are those that `EvaluationDataset.save_as("json")` writes and reads.

What deepeval has no field for (id, slices, severity, which document a quote stands in) goes into `additional_metadata`, so that a
set that was exported and imported is the same set. No function but the last one loads deepeval.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kb_platform.knowledge.errors import ConfigError
from kb_platform.knowledge.wrong_values import in_words
from kb_platform.quality.golden import ExpectedPassage, Golden, Severity

if TYPE_CHECKING:
    from deepeval.dataset import EvaluationDataset


class _Passage(BaseModel):
    model_config = ConfigDict(extra="ignore")
    document: str = Field(min_length=1)
    quote: str | None = Field(default=None, min_length=1)
    source: str | None = None


class _Metadata(BaseModel):
    model_config = ConfigDict(extra="ignore")
    id: str | None = None
    slices: list[str] = []
    severity: Severity = Severity.NORMAL
    expected: list[_Passage] = []


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore")
    input: str = Field(min_length=1)
    expected_output: str | None = None
    context: list[str] | None = None
    source_file: str | None = None
    name: str | None = None
    additional_metadata: _Metadata | None = None


def to_records(goldens: Sequence[Golden]) -> list[dict[str, Any]]:
    """Return goldens as deepeval's records: quotes are the ideal context, and the first passage's document is the source file."""
    return [_to_record(golden) for golden in goldens]


def _to_record(golden: Golden) -> dict[str, Any]:
    passages = [{name: value for name, value in asdict(passage).items() if value is not None} for passage in golden.expected]
    return {
        "input": golden.question, "expected_output": golden.answer, "context": [p.quote for p in golden.expected if p.quote],
        "source_file": golden.expected[0].document, "name": golden.id,
        "additional_metadata": {"id": golden.id, "slices": list(golden.slices), "severity": golden.severity.value, "expected": passages},
    }


def from_records(records: Sequence[Any], where: str = "deepeval goldens") -> list[Golden]:
    """Return deepeval's records as goldens.

    Those that another tool wrote have no `additional_metadata.expected`: each context is then a quote of `source_file`, without any the
    whole document answers, and the id is the record's name, or its number.

    Raises:
        ConfigError: a record has no question, or says neither which passages nor which document answer it.
    """
    return [_from_record(record, number, f"{where}:{number}") for number, record in enumerate(records, 1)]


def _from_record(value: Any, number: int, where: str) -> Golden:
    try:
        record = _Record.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(step) for step in first["loc"]) or "the whole"
        raise ConfigError(f"{field}: {in_words(first)}", where=where, expected="a golden of deepeval") from None
    known = record.additional_metadata or _Metadata()
    expected = tuple(ExpectedPassage(p.document, p.quote, p.source) for p in known.expected)
    if not expected and record.source_file:
        quotes = [quote for quote in record.context or () if quote.strip()]
        expected = tuple(ExpectedPassage(record.source_file, quote) for quote in quotes or [None])
    if not expected:
        raise ConfigError(
            "no document answers it", where=where, expected="source_file, or additional_metadata.expected",
            action="a golden names the document, and best the quote, that answer it",
        )
    name = known.id or record.name or f"golden-{number}"
    return Golden(name, record.input, expected, tuple(sorted(set(known.slices))), known.severity, record.expected_output or None)


def to_json(goldens: Sequence[Golden]) -> str:
    """Return goldens as the text of a file that `EvaluationDataset.add_goldens_from_json_file` reads."""
    return json.dumps(to_records(goldens), ensure_ascii=False, indent=2) + "\n"


def from_json(text: str, where: str = "deepeval goldens") -> list[Golden]:
    """Return the goldens of such a file.

    Raises:
        ConfigError: the text is no JSON list, or a record is no golden.
    """
    try:
        records = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"not JSON ({getattr(error, 'msg', 'nested too deeply')})", where=where, expected="a list of goldens") from None
    if not isinstance(records, list):
        raise ConfigError(f"found {type(records).__name__}", where=where, expected="a list of goldens")
    return from_records(records, where)


def evaluation_dataset(goldens: Sequence[Golden]) -> "EvaluationDataset":
    """Return goldens as a dataset for deepeval's own evaluation; loads deepeval, which takes seconds.

    Raises:
        ConfigError: deepeval is not installed.
    """
    from kb_platform.settings import silence_deepeval

    silence_deepeval()
    try:
        from deepeval.dataset import EvaluationDataset
        from deepeval.dataset import Golden as TheirGolden
    except ModuleNotFoundError as error:
        raise ConfigError(f"{error.name} is not installed", where="deepeval", action="install kb-platform[judge]") from error
    return EvaluationDataset(goldens=[TheirGolden(**record) for record in to_records(goldens)])
