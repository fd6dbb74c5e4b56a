"""Advisory gates: is what search returns recent, and does it come quickly? They warn, unless a team requires them."""

import datetime as dt
from collections.abc import Mapping, Sequence

import numpy as np

from kb_platform.quality.decision import Decision

FRESHNESS, LATENCY = "freshness", "latency"


def decide_freshness(newest: Mapping[str, dt.date | None], today: dt.date, max_age_days: int) -> Decision:
    """Return whether every source has delivered something lately.

    Args:
        newest: the day of the newest delivery by source; None where there was none.
        today: in the knowledge base's time zone.
        max_age_days: accepted age of a source's newest delivery.

    Returns:
        A verdict whose metric is the age of the most silent source, in days.
    """
    ages = {source: (today - day).days for source, day in newest.items() if day}
    reasons = [f"{source} has delivered nothing yet" for source, day in newest.items() if day is None]
    reasons += [f"{source} last delivered {age} days ago, more than {max_age_days}" for source, age in ages.items() if age > max_age_days]
    return Decision.of(FRESHNESS, float(max(ages.values(), default=0)), float(max_age_days), reasons)


def decide_latency(milliseconds: Sequence[float], max_latency_ms: float) -> Decision:
    """Return whether 95 of 100 searches come within the limit."""
    p95 = float(np.percentile(milliseconds, 95)) if len(milliseconds) else 0.0
    reasons = [f"95 of 100 searches took up to {p95:.0f} ms, the limit is {max_latency_ms:g}"] if p95 > max_latency_ms else []
    return Decision.of(LATENCY, p95, max_latency_ms, reasons, facts={"searches": len(milliseconds)})
