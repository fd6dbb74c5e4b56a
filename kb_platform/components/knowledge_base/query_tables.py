"""The queries that were lost or are not answered, as tables in an asset check: questions and places, for Dagster's event log is no place for documents."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from kb_platform.quality.named_ids import named_ids

QUERIES = ("query", "question", "severity", "slices", "live", "candidate", "live finds", "candidate finds")
SLICES = ("slice", "goldens", "answered", "on live", "got worse", "not answered")
NAMED = 20  # goldens of a cell
ASKED = 3  # questions of a sentence


def query_tables(evidence: Mapping[str, Any]) -> dict[str, dg.TableMetadataValue]:
    """Return the metadata entries `worse`, `unanswered` and `slices`; each only where it has a row."""
    from kb_platform.quality.lost_queries import lost_by_slice

    primary = evidence.get("primary", "")
    tables = [(kind, QUERIES, [_record(query, primary) for query in evidence.get(kind, ()) if query.get("results")]) for kind in ("worse", "unanswered")]
    slices = [_slice(lost) for lost in lost_by_slice(evidence)]
    return {name: _table(columns, rows) for name, columns, rows in (*tables, ("slices", SLICES, slices)) if rows}


def first_lost(evidence: Mapping[str, Any]) -> str:
    """Return a sentence with the questions to look at first; "" where there is none."""
    from kb_platform.quality.lost_queries import worst_first

    lost = worst_first(evidence)
    asked = [f"{query['query']} ({query['question']})" for query in lost[:ASKED]]
    return f"lost or not answered: {', '.join(asked)}{' and others' if len(lost) > ASKED else ''}" if lost else ""


def _table(columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> dg.TableMetadataValue:
    records = [dg.TableRecord(dict(zip(columns, row, strict=True))) for row in rows]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns=[dg.TableColumn(name) for name in columns]))


def _record(query: Mapping[str, Any], primary: str) -> tuple[str, ...]:
    results = query["results"]
    return (query["query"], query["question"], query["severity"], ", ".join(query["slices"]), _measured(query["live"], primary), _measured(query["candidate"], primary),
            _places(results["live"]), _places(results["candidate"]))


def _measured(measures: Mapping[str, float], primary: str) -> str:
    return f"{primary} {measures[primary]:.3f}" if primary in measures else "not judged"


def _places(hits: Sequence[Mapping[str, Any]]) -> str:
    return "; ".join(f"{hit['doc_id']}:{hit['start']}-{hit['end']}" for hit in hits) or "nothing"


def _slice(lost: Any) -> tuple[Any, ...]:
    on_live = "" if lost.live is None else f"{lost.live:.3f}"
    return (lost.slice, lost.goldens, f"{lost.answered:.3f}", on_live, named_ids(lost.worse, NAMED), named_ids(lost.unanswered, NAMED))
