"""How many processors this process may really use: a container's limit, not the host's count.

A thread pool sized by the host inside a container of two cores spends its time being throttled.
"""

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def usable_cores(cgroup: Path = CGROUP) -> int:
    """Return the smaller of the affinity mask and the control group's quota (version 2, then 1), at least 1."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(cgroup)
    return max(1, min(allowed, math.floor(quota))) if quota else allowed


def _quota(cgroup: Path) -> float | None:
    """Return the quota in processors, None if there is none."""
    try:
        limit, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            limit, period = ((cgroup / "cpu" / f"cpu.cfs_{part}_us").read_text().strip() for part in ("quota", "period"))
        except OSError:
            return None
    return int(limit) / int(period) if limit not in {"max", "-1"} and int(period) else None
