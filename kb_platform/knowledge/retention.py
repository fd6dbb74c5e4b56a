"""Which releases are kept, and when an index is built anew: the rules of garbage collection, apart from what carries them out.

Rows are kept by validity ranges, so what can be kept is everything from some release on: the horizon. It is the oldest release that
anything asks for. Releases between it and the live one stay readable, whether or not something asks for them by itself.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Retention:
    """How much of the past a knowledge base keeps.

    Attributes:
        keep_releases: releases that were promoted, the newest ones, which can be searched and rolled back to.
        keep_days: and those that were live within so many days; 0 counts releases alone.
        derived_days: vectors that no kept row uses, and chunk files, are kept so many days after they were made: a delivery on its way
            needs them. Both are made again where they are missing.
        judged_days: answers and votes of models are kept so many days; then they are asked, and paid for, again.
        dead_share: share of dead entries from which on an HNSW index is built anew.
    """

    keep_releases: int = 7
    keep_days: int = 0
    derived_days: int = 30
    judged_days: int = 365
    dead_share: float = 0.15


@dataclass(frozen=True)
class PastState:
    """What the rule looks at in a release; `left_at` is when the pointer last moved away from it, None while it never did."""

    release: int
    status: str
    base: int | None
    was_promoted: bool
    left_at: dt.datetime | None = None


@dataclass(frozen=True)
class Horizon:
    """The oldest release that is kept, and why, by release, others are asked for."""

    release: int
    kept: Mapping[int, str]


def decide_horizon(
    releases: Sequence[PastState], live: int | None, current: int, retention: Retention, now: dt.datetime
) -> Horizon:
    """Return where the horizon belongs: never below where it is, never above what is live or what a candidate builds on."""
    if live is None:
        return Horizon(current, {})
    newest = sorted((r.release for r in releases if r.was_promoted and r.status != "discarded"), reverse=True)
    since = now - dt.timedelta(days=retention.keep_days)
    kept = {r.release: f"was live within {retention.keep_days} days" for r in releases
            if r.status != "discarded" and retention.keep_days and r.left_at is not None and r.left_at >= since}
    kept |= dict.fromkeys(newest[: retention.keep_releases], f"among the {retention.keep_releases} newest")
    kept |= {r.base: f"candidate {r.release} builds on it" for r in releases if r.status in ("building", "sealed") and r.base is not None}
    kept |= {live: "live"}
    kept = {release: why for release, why in sorted(kept.items()) if release >= current}
    return Horizon(max(current, min(kept)), kept)


def dead_share(rows: int, dead: int) -> float:
    """Return the share of an index's entries that lead to no row any more."""
    return dead / (rows + dead) if dead else 0.0


def index_is_due(rows: int, dead: int, retention: Retention) -> bool:
    """Tell whether an index is to be built anew."""
    return dead > 0 and dead_share(rows, dead) >= retention.dead_share
