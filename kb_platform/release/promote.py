"""Moves the pointer, and nothing else does.

The database re-verifies the verdicts on every move, so that a manual "Materialize" is refused as well as SQL by hand.
"""

from dataclasses import dataclass

from kb_platform.storage.releases import get_release, live_release, newest_release, promote
from kb_platform.storage.review_outcomes import Acceptance, acceptances
from kb_platform.storage.stores import Store


@dataclass(frozen=True)
class PromotionReport:
    """Where the pointer is now, and where it was; `rows` are the live release's chunks.

    `accepted` are the verdicts that reviewers let pass, with who, why and in which review.
    """

    release: int | None
    previous: int | None
    moved: bool
    rows: int | None = None
    documents: int | None = None
    digest: bytes | None = None
    accepted: tuple[Acceptance, ...] = ()


def promote_candidate(store: Store, on_behalf_of: str = "") -> PromotionReport:
    """Promote the sealed candidate; where there is none, leave the pointer where it is. The log of promotions says on whose behalf.

    Raises:
        GateRefusal: a required gate has not passed; the message names it.
    """
    return move_pointer(store, newest_release(store.database), on_behalf_of)


def move_pointer(store: Store, release_id: int | None, on_behalf_of: str = "") -> PromotionReport:
    """Point to a release; to the one that is live already, or to None before the first promotion, is no move.

    Raises:
        GateRefusal: the database refuses it; the message says why.
    """
    before = live_release(store.database)
    if release_id is None:
        return PromotionReport(release=None, previous=None, moved=False)
    if release_id != before:
        promote(store.database, release_id, on_behalf_of)
    now = get_release(store.database, release_id)
    return PromotionReport(release=release_id, previous=before, moved=release_id != before, rows=now.chunk_count,
                           documents=now.document_count, digest=now.content_digest,
                           accepted=tuple(a for a in acceptances(store.database) if a.release == release_id))
