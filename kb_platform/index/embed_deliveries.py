"""The embeddings step: vectors for the texts of pending deliveries that were never seen in this space.

Vectors are stored every few hundred texts, each group in a transaction of its own: a killed or interrupted step continues where
it was, and a text that another day, document or run has embedded already costs nothing. Two groups are on their way at a time:
one is tokenized or stored while the model computes the other. Before each group the step asks whether it may go on: when the GPU
window or its own time has ended, it ends too, and leaves the rest to the next run.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from threading import Event

from kb_platform.index.chunk_files import chunk_file
from kb_platform.index.embed import LoadEmbedder
from kb_platform.index.overlap import in_order
from kb_platform.index.pipeline import pipeline_of
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.progress import Progress, silent
from kb_platform.knowledge.shards import WHOLE, Shard
from kb_platform.knowledge.spaces import EmbeddingSpace
from kb_platform.storage.captures import pending_captures
from kb_platform.storage.derived_files import read_derived
from kb_platform.storage.stores import Store
from kb_platform.storage.turns import taking_turns
from kb_platform.storage.vectors import missing_vectors, register_space, store_vectors, text_hashes

GROUP = 512
ON_THEIR_WAY = 2


@dataclass(frozen=True)
class EmbedReport:
    """What a step did: `reused` texts had a vector already, `left` are for the next run, as this one had to end."""

    vectors_computed: int
    vectors_reused: int
    space: str
    vectors_left: int = 0


def always() -> bool:
    """Return that the step may go on."""
    return True


@taking_turns
def embed_deliveries(
    store: Store, kb: KnowledgeBase, source: str, days: Sequence[dt.date], load_embedder: LoadEmbedder,
    progress: Progress = silent, may_go_on: Callable[[], bool] = always, shard: Shard = WHOLE,
) -> EmbedReport:
    """Embed what the pending deliveries of a source need. The model is loaded only when a text is missing its vector, and may get one.

    Other steps may embed at the same time, also the same texts: a vector that is there already stays as it is.
    """
    needed = needed_texts(store, kb, source, days, shard)
    missing, done = needed.missing, 0
    if missing and may_go_on():
        embedder, given_up = load_embedder(needed.space), Event()

        def compute(texts: dict[bytes, str]) -> int:
            store_vectors(store.database, needed.space.space_id, list(texts), embedder.embed(list(texts.values()), given_up.is_set))
            return len(texts)

        progress("vectors computed", 0, len(missing))
        groups = takewhile(lambda _group: may_go_on(), _groups(store, needed.files, set(missing)))
        for size in in_order(compute, groups, threads=ON_THEIR_WAY, ahead=ON_THEIR_WAY, given_up=given_up):
            done += size
            progress("vectors computed", done, len(missing))
    return EmbedReport(done, vectors_reused=needed.wanted - len(missing), space=needed.space.space_id, vectors_left=len(missing) - done)


@dataclass(frozen=True)
class NeededTexts:
    """How many texts the pending deliveries want, those of them without a vector, by their hash, and the chunk files that hold them."""

    space: EmbeddingSpace
    files: Sequence[str]
    wanted: int
    missing: set[bytes]


def needed_texts(store: Store, kb: KnowledgeBase, source: str, days: Sequence[dt.date], shard: Shard = WHOLE) -> NeededTexts:
    """Return which texts of a shard the pending deliveries of a source need, up to the last of the days.

    A delivery that is not chunked yet, as its ingest goes on or has failed, is left to the embed run that follows its ingest.
    """
    pipeline = pipeline_of(kb, source)
    register_space(store.database, pipeline.space)
    captures = pending_captures(store.database, source, pipeline.fingerprint, max(days))
    files = [file for capture in captures if store.objects.exists(file := chunk_file(capture, pipeline.fingerprint))]
    wanted = {text_hash for file in files for text_hash in text_hashes(store.objects, file) if shard.holds(text_hash)}
    return NeededTexts(pipeline.space, files, len(wanted), missing_vectors(store.database, pipeline.space.space_id, wanted))


def _groups(store: Store, files: Sequence[str], missing: set[bytes]) -> Iterator[dict[bytes, str]]:
    """Yield the missing texts by their hash, 512 at a time whatever their documents, each once; `missing` is emptied."""
    group: dict[bytes, str] = {}
    for file in files:
        for row in read_derived(store.objects, file, ["chunks"]):
            for chunk in row["chunks"] or ():
                if chunk["text_hash"] in missing:
                    missing.remove(chunk["text_hash"])
                    group[chunk["text_hash"]] = f"{chunk['context']}\n{chunk['content']}" if chunk["context"] else chunk["content"]
                if len(group) == GROUP:
                    yield group
                    group = {}
    if group:
        yield group

