"""What the pages say of a day of raw_documents: that day's own numbers, also where a run is about many days, or about one that was closed."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from kb_platform.components.knowledge_base.metadata import KNOWN, metadata_of
from kb_platform.components.knowledge_base.steps import run_days

if TYPE_CHECKING:
    from kb_platform.ingest.capture import CaptureReport
    from kb_platform.storage.database import Database

OF_A_DAY = ("rows", "upserts", "deletes", "unchanged", "file")  # what a report says of the newest day alone
CLOSED = "closed: a later day has been captured, so the source was not asked; the numbers are what it had delivered on this day"
EARLIER = "the source was asked once for all days of this run, and what it had goes to the newest; the numbers are what was there of this day before"


def describe_days(context: dg.AssetExecutionContext, database: "Database", source: str, report: "CaptureReport") -> dg.MaterializeResult:
    """Return what all days of the run share, and add to each what was captured on it."""
    from kb_platform.storage.captures import captures_of

    days = run_days(context)
    newest, captures = max(days), captures_of(database, source, days)
    shared = metadata_of(report)
    newest_alone = {name: shared.pop(KNOWN.get(name, name), None) for name in OF_A_DAY}
    for day in days:
        own = [capture for capture in captures if capture.day == day]
        upserts, deletes = sum(c.upserts for c in own), sum(c.deletes for c in own)
        told: dict[str, Any] = {"captures": len(own), "day/upserts": upserts, "day/deletes": deletes, "dagster/row_count": upserts + deletes}
        if day != newest or report.closed:
            told["note"] = CLOSED if report.closed else EARLIER
        else:
            told |= {KNOWN.get(name, name): value for name, value in newest_alone.items() if value is not None}
        context.add_asset_metadata(told, asset_key=context.asset_key, partition_key=day.isoformat())
    return dg.MaterializeResult(metadata=shared)
