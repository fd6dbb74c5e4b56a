"""The wait that an answer over HTTP asks for, within what is believed. Models and EHRs alike: the clients of neither are imported."""

import datetime as dt
import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

SHORTEST_WAIT, LONGEST_WAIT = 1.0, 900.0  # seconds


def retry_after(headers: Mapping[str, str]) -> dt.timedelta | None:
    """Return the wait that a response asks for, in seconds, milliseconds or as a date; None if it asks for none that can be read."""
    seconds = _asked_for(headers)
    if seconds is None or math.isnan(seconds):
        return None
    return dt.timedelta(seconds=min(max(seconds, SHORTEST_WAIT), LONGEST_WAIT))


def _asked_for(headers: Mapping[str, str]) -> float | None:
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return float(milliseconds) / 1000
        value = headers.get("retry-after")
        if not value:
            return None
        return float(value) if value.replace(".", "", 1).isdigit() else parsedate_to_datetime(value).timestamp() - time.time()
    except ValueError:
        return None
