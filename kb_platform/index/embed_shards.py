"""The embeddings step in parts: how many there are is decided once a run, which texts each one embeds by their hashes.

No part knows of the others, and what is planned is written nowhere: a part that is repeated finds what it has stored already.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from kb_platform.index.embed_deliveries import EmbedReport, needed_texts
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.shards import Shard, shards_of
from kb_platform.storage.stores import Store
from kb_platform.storage.turns import taking_turns


@dataclass(frozen=True)
class ShardPlan:
    """The shards of a run, and how many texts lacked a vector when it was made."""

    shards: tuple[Shard, ...]
    missing: int


@taking_turns
def plan_shards(store: Store, kb: KnowledgeBase, source: str, days: Sequence[dt.date]) -> ShardPlan:
    """Return the shards that the pending deliveries of a source are embedded in: none where every text has its vector."""
    missing = len(needed_texts(store, kb, source, days).missing)
    return ShardPlan(shards_of(missing, kb.compute.shard_texts), missing)


@taking_turns
def report_shards(store: Store, kb: KnowledgeBase, source: str, days: Sequence[dt.date], missing: int) -> EmbedReport:
    """Return what the shards have done together; `missing` is what the plan said. What they had to leave counts as left."""
    needed = needed_texts(store, kb, source, days)
    left = len(needed.missing)
    return EmbedReport(max(missing - left, 0), vectors_reused=max(needed.wanted - missing, 0), space=needed.space.space_id, vectors_left=left)
