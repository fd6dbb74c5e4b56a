"""Whether two golden reports may stand side by side. Metrics over other questions are other metrics, however alike they look."""

from collections.abc import Mapping
from typing import Any


def why_not_comparable(one: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    """Return why two stored reports of the golden gate (GateVerdict.to_dict) cannot be compared; None where they can.

    Both must be about the same golden set, told by its content hash, and name one primary measure. What was stale on one side only
    does not forbid it: counts of judged goldens stand beside the figures.
    """
    hashes = [report.get("golden_hash") for report in (one, other)]
    if None in hashes:
        return "not comparable: a report without golden queries"
    if hashes[0] != hashes[1]:
        return f"not comparable: other golden queries ({str(hashes[0])[:12]} and {str(hashes[1])[:12]})"
    primaries = [report.get("primary") for report in (one, other)]
    if primaries[0] != primaries[1]:
        return f"not comparable: other primary measures ({primaries[0]} and {primaries[1]})"
    return None


def comparable(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two stored reports may be compared; `why_not_comparable` says why not."""
    return why_not_comparable(one, other) is None
