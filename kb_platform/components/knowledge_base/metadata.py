"""How a step's report becomes what the UI shows: numbers make plots, lists become tables, the rest is text."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import dagster as dg

MAX_ROWS = 200
KNOWN = {"rows": "dagster/row_count", "file": "dagster/uri"}  # names that the pages treat in a way of their own


def describe(report: Any, more: Mapping[str, Any] | None = None) -> dg.MaterializeResult:
    """Return a report dataclass as asset metadata; what is None or an empty list is left out."""
    return dg.MaterializeResult(metadata={**metadata_of(report), **(more or {})})


def metadata_of(report: Any) -> dict[str, Any]:
    """Return the metadata of a report dataclass."""
    if not is_dataclass(report):
        raise TypeError(f"{type(report).__name__}: expected a report dataclass")
    found = {f.name: getattr(report, f.name) for f in fields(report)}
    return {KNOWN.get(name, name): _value(value) for name, value in found.items() if value is not None and value != ()}


def _value(value: Any) -> Any:
    if isinstance(value, tuple) and value and is_dataclass(value[0]):
        return _table(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (list, tuple)):
        return dg.MetadataValue.json(list(value))
    return value


def _table(rows: tuple[Any, ...]) -> dg.TableMetadataValue:
    names = [f.name for f in fields(rows[0])]
    return dg.MetadataValue.table([dg.TableRecord({n: str(getattr(row, n)) for n in names}) for row in rows[:MAX_ROWS]])
