"""A maintenance run in Dagster's pages: numbers for the Plots tab, and tables of what the disk holds and of what is kept, and why."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    from kb_platform.release.maintenance import Maintained

REPORT = "report"  # all of it at once, as `kb gc` prints it
SKIPPED = "a refresh is writing: nothing was done; the next run does it"


def upkeep_metadata(done: "Maintained | None") -> dict[str, Any]:
    """Return what a run did as metadata; a run that left a refresh alone says so."""
    if done is None:
        return {"skipped": SKIPPED}
    collected = done.collected
    numbers = {
        "horizon_before": collected.horizon_before, "horizon": collected.horizon, "dead_share": collected.dead_share,
        **{f"deleted/{kind}": count for kind, count in collected.rows.items()}, "deleted/files": collected.files,
        "deleted/spaces": len(collected.spaces), "indexes_rebuilt": len(done.rebuilt), "left_over_indexes": sum(r.left_overs for r in done.rebuilt),
        **{f"bytes/{kind}": number for kind, number in done.bytes.items()},
        **{f"seconds/{step}": seconds for step, seconds in done.seconds.items()},
    }
    lists = {"spaces_dropped": list(collected.spaces), "rebuilt": [asdict(r) for r in done.rebuilt], "postponed": list(done.postponed)}
    return {
        **numbers, **{name: dg.MetadataValue.json(found) for name, found in lists.items() if found},
        REPORT: dg.MetadataValue.json(done.report()), "sizes": _table([asdict(size) for size in done.sizes]), **({"kept": _table([asdict(k) for k in collected.kept])} if collected.kept else {}),
    }


def _table(rows: list[dict[str, Any]]) -> dg.TableMetadataValue:
    return dg.MetadataValue.table([dg.TableRecord(row) for row in rows])
