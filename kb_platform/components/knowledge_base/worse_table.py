"""The queries that got worse, as a table in an asset check: ids and places, for Dagster's event log is no place for documents."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

COLUMNS = ("query", "severity", "slices", "live", "candidate", "live finds", "candidate finds")


def worse_metadata(evidence: Mapping[str, Any]) -> dict[str, dg.TableMetadataValue]:
    """Return the metadata entry `worse`; none where nothing got worse."""
    rows = [_record(change, evidence["primary"]) for change in evidence.get("worse", ()) if "results" in change]
    schema = dg.TableSchema(columns=[dg.TableColumn(name) for name in COLUMNS])
    return {"worse": dg.MetadataValue.table(rows, schema=schema)} if rows else {}


def _record(change: Mapping[str, Any], primary: str) -> dg.TableRecord:
    results = change["results"]
    return dg.TableRecord({
        "query": change["query"], "severity": change["severity"], "slices": ", ".join(change["slices"]),
        "live": f"{primary} {change['live'][primary]:.3f}", "candidate": f"{primary} {change['candidate'][primary]:.3f}",
        "live finds": _first(results["live"]), "candidate finds": _first(results["candidate"]),
    })  # fmt: skip


def _first(hits: Sequence[Mapping[str, Any]]) -> str:
    return f"{hits[0]['doc_id']}:{hits[0]['start']}-{hits[0]['end']}" if hits else "nothing"
