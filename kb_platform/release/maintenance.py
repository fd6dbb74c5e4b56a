"""Garbage collection and index maintenance of one knowledge base, in the order in which a kill at any point loses nothing.

The horizon moves first: from then on no reader and no pointer may go below it. What lies below it goes in bounded transactions, and an
index of which enough entries are dead is built anew before VACUUM sees them. Each step looks anew at what there is, so that a
run that was killed is continued by the next one.
"""

import datetime as dt
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from kb_platform.knowledge.errors import TransientError
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.progress import Progress, silent
from kb_platform.knowledge.retention import Horizon, Retention, dead_share, index_is_due
from kb_platform.storage.collect import (
    Limits,
    closed_chunks,
    count_garbage,
    delete_garbage,
    horizon_of,
    move_horizon,
    unused_spaces,
)
from kb_platform.storage.derived_files import removable_files
from kb_platform.storage.index_upkeep import Rebuilt, SpaceIndex, drop_superseded, rebuild_index, space_indexes
from kb_platform.storage.sizes import Size, sizes
from kb_platform.storage.stores import Store
from kb_platform.storage.turns import alone
from kb_platform.storage.vectors import drop_space


@dataclass(frozen=True)
class KeptRelease:
    """A release that holds the horizon where it is, and why."""

    release: int
    why: str


@dataclass(frozen=True)
class Collected:
    """What went, or in a dry run what would go; `indexes` are the spaces whose index is built anew."""

    horizon_before: int
    horizon: int
    rows: dict[str, int]
    files: int
    spaces: tuple[str, ...]
    indexes: tuple[str, ...]
    dead_share: float
    kept: tuple[KeptRelease, ...]


@dataclass(frozen=True)
class Maintained:
    """What a run did: the plan that it carried out, what it built anew, and what the disk holds afterwards."""

    collected: Collected
    rebuilt: tuple[Rebuilt, ...]
    postponed: tuple[str, ...]
    sizes: tuple[Size, ...]
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def bytes(self) -> dict[str, int]:
        """Return what tables and indexes hold on the disk."""
        return {kind: sum(size.bytes for size in self.sizes if bool(size.index) == index) for kind, index in (("tables", False), ("indexes", True))}

    def report(self) -> dict[str, Any]:
        """Return what `kb gc` shows, in the words of a dry run."""
        return asdict(self.collected) | {
            "rebuilt": [asdict(r) for r in self.rebuilt], "postponed": list(self.postponed), "bytes": self.bytes, "seconds": self.seconds}


def plan_maintenance(store: Store, kb: KnowledgeBase, now: dt.datetime | None = None) -> Collected:
    """Return what a run would do now, and change nothing."""
    now, database = now or dt.datetime.now(dt.UTC), store.database
    before = horizon_of(database)
    horizon = move_horizon(database, kb.retention, now, dry_run=True)
    limits = Limits.of(horizon.release, kb.retention, now)
    dropped = unused_spaces(database, limits)
    gone = closed_chunks(database, limits, dropped)
    rows = {"chunks": sum(gone.values()), **count_garbage(database, limits, dropped)}
    left = [_without(index, gone.get(index.space, 0)) for index in space_indexes(database) if index.space not in dropped]
    return _collected(before, horizon, rows, len(removable_files(store.objects, limits.derived, now)), dropped, left, kb.retention)


def maintain(store: Store, kb: KnowledgeBase, progress: Progress = silent, now: dt.datetime | None = None) -> Maintained | None:
    """Collect garbage and build indexes anew where that is due; None, and nothing done, while a refresh is writing."""
    now = now or dt.datetime.now(dt.UTC)
    with alone(store.database) as free:
        return _maintain(store, kb, progress, now) if free else None


def _maintain(store: Store, kb: KnowledgeBase, progress: Progress, now: dt.datetime) -> Maintained:
    database, seconds, began = store.database, dict[str, float](), time.perf_counter()
    progress("deleting what no release shows", 0, None)
    before = horizon_of(database)
    horizon = move_horizon(database, kb.retention, now)
    limits = Limits.of(horizon.release, kb.retention, now)
    dropped, postponed = _drop_spaces(store, unused_spaces(database, limits))
    rows = delete_garbage(database, limits)
    files = removable_files(store.objects, limits.derived, now)
    for name in files:
        store.objects.remove(name)
    seconds["delete"] = round(time.perf_counter() - began, 3)
    done = _collected(before, horizon, rows, len(files), dropped, space_indexes(database), kb.retention)
    progress("building indexes anew", 0, len(done.indexes) or None)
    rebuilt = tuple(rebuild_index(database, space) for space in done.indexes)
    notes = [drop_superseded(database, index.space) for index in space_indexes(database) if index.space not in done.indexes]
    seconds["index"] = round(time.perf_counter() - began - seconds["delete"], 3)
    postponed += [*(f"{r.space}: {r.note}" for r in rebuilt if r.note), *(note for note in notes if note)]
    return Maintained(done, rebuilt, tuple(postponed), tuple(sizes(database)), seconds)


def _drop_spaces(store: Store, unused: Sequence[str]) -> tuple[list[str], list[str]]:
    dropped, postponed = list[str](), list[str]()
    for space in unused:
        try:
            drop_space(store.database, space)
            dropped.append(space)
        except TransientError as error:
            postponed.append(str(error))
    return dropped, postponed


def _without(index: SpaceIndex, gone: int) -> SpaceIndex:
    """Return the index as it will be when so many rows have gone."""
    return SpaceIndex(index.space, index.rows - gone, index.dead + gone, index.built)


def _collected(
    before: int, horizon: Horizon, rows: dict[str, int], files: int, dropped: Sequence[str], left: Sequence[SpaceIndex], retention: Retention
) -> Collected:
    due = tuple(i.space for i in left if i.built and index_is_due(i.rows, i.dead, retention))
    worst = max((dead_share(i.rows, i.dead) for i in left), default=0.0)
    kept = tuple(KeptRelease(release, why) for release, why in horizon.kept.items())
    return Collected(before, horizon.release, rows, files, tuple(dropped), due, round(worst, 4), kept)
