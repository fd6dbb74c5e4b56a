"""A judged release in Dagster's pages: its figures as a picture, as numbers over releases (the Plots tab), and the releases so far.

The verdict comes after release_candidate was materialized, so its figures go to that asset as an observation: Dagster plots both.
"""

from base64 import b64encode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from kb_platform.knowledge.knowledge_base import KnowledgeBase

MOVES = 50  # of the pointer, which a table shows

if TYPE_CHECKING:
    from kb_platform.release.reports.evaluation_report import GoldenResults
    from kb_platform.storage.database import Database
    from kb_platform.storage.gates import GateResult
    from kb_platform.storage.reports import PastRelease


def show_figures(context: dg.AssetCheckExecutionContext, kb: KnowledgeBase, result: "GateResult") -> dict[str, Any]:
    """Note the golden gate's figures on release_candidate; return the check's own metadata: the picture, and how to see all of it."""
    if "slice_scores" not in result.evidence:
        return {}
    from kb_platform.release.reports.evaluation_report import golden_results

    golden = golden_results(result.evidence)
    picture, release = _picture(golden), result.evidence["release"]
    metadata = {"release": release, "golden set": (result.golden_hash or "")[:8], **_series(golden), **picture}
    context.op_execution_context.log_event(dg.AssetObservation(dg.AssetKey([kb.name, "release_candidate"]), metadata=metadata))
    return picture


def release_history(database: "Database") -> dict[str, dg.MetadataValue]:
    """Return the moves of the pointer, and the newest releases, as tables, the newest first; nothing where there is none."""
    from kb_platform.release.reports.history import history
    from kb_platform.storage.releases import promotions

    past = history(database)[::-1]
    measures = sorted({measure for release in past for measure in release.metrics})
    tables = {"promotions": [_move(move) for move in promotions(database)[::-1][:MOVES]], "history": [_row(release, measures) for release in past]}
    return {name: dg.MetadataValue.table([dg.TableRecord(row) for row in rows]) for name, rows in tables.items() if rows}


def _move(move: Mapping[str, Any]) -> dict[str, str | int]:
    back = move["from"] is not None and move["to"] < move["from"]
    return {"when": f"{move['at']:%Y-%m-%d %H:%M:%S} UTC", "what": "rollback" if back else "promotion", "from": move["from"] or "nothing", "to": move["to"],
            "for": move["on_behalf_of"] or "not said", "by": move["by"]}


def _series(golden: "GoldenResults") -> dict[str, float]:
    """Return a number a measure and slice, named so that Dagster lists slices of a measure together."""
    return {f"{score.measure}/{score.slice}": score.candidate for score in golden.slice_scores}


def _picture(golden: "GoldenResults") -> dict[str, dg.MetadataValue]:
    from kb_platform.release.reports.plots import summary_picture

    picture = summary_picture(golden)
    if picture is None:
        return {}
    return {"figures": dg.MetadataValue.md(f"![{golden.primary} by slice](data:image/png;base64,{b64encode(picture).decode()})")}


def _row(release: "PastRelease", measures: list[str]) -> dict[str, str | int | float]:
    return {
        "release": release.release, "status": "live" if release.live else release.status, "verdict": release.verdict or "",
        "promoted": f"{release.promoted_at:%Y-%m-%d %H:%M:%S} UTC" if release.promoted_at else "", "by": release.promoted_by or "",
        "accepted": release.accepted or "",
        "digest": (release.digest or "")[:12], "golden set": (release.golden_hash or "")[:8],
        **{measure: f"{release.metrics[measure]:.3f}" if measure in release.metrics else "" for measure in measures},
    }
