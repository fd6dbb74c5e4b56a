"""Moves the pointer, and nothing else does.

The database re-verifies the verdicts on every move, so that a manual "Materialize" is refused as well as SQL by hand.
"""

from dataclasses import dataclass

from kb_platform.storage.releases import candidate, live_release, promote
from kb_platform.storage.stores import Store


@dataclass(frozen=True)
class PromotionReport:
    """Where the pointer is now, and where it was."""

    release: int | None
    previous: int | None
    moved: bool


def promote_candidate(store: Store) -> PromotionReport:
    """Promote the sealed candidate; where there is none, leave the pointer where it is.

    Raises:
        GateRefusal: a required gate has not passed; the message names it.
    """
    before, release = live_release(store.database), candidate(store.database)
    if release is None:
        return PromotionReport(release=before, previous=before, moved=False)
    promote(store.database, release.release_id)
    return PromotionReport(release=release.release_id, previous=before, moved=True)
