"""The embeddings step: vectors for the texts of pending deliveries that were never seen in this space.

Vectors are stored every few hundred texts, each group in a transaction of its own: a killed or interrupted step continues where
it was, and a text that another day, document or run has embedded already costs nothing.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from kb_platform.index.chunk_files import chunk_file
from kb_platform.index.embed import Embedder
from kb_platform.index.pipeline import pipeline_of
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.progress import Progress, silent
from kb_platform.storage.captures import unapplied_captures
from kb_platform.storage.stores import Store
from kb_platform.storage.vectors import missing_vectors, register_space, store_vectors

GROUP = 512


@dataclass(frozen=True)
class EmbedReport:
    """What a step did: `reused` texts had a vector already."""

    vectors_computed: int
    vectors_reused: int
    space: str


def embed_deliveries(
    store: Store, kb: KnowledgeBase, source: str, days: Sequence[dt.date], load_embedder: Callable[[], Embedder],
    progress: Progress = silent,
) -> EmbedReport:
    """Embed what the pending deliveries of a source need. The model is loaded only when a text is missing its vector."""
    pipeline = pipeline_of(kb)
    register_space(store.database, pipeline.space)
    captures = unapplied_captures(store.database, pipeline.fingerprint, [source], max(days))
    files = [chunk_file(capture, pipeline.fingerprint) for capture in captures]
    computed = wanted = 0
    for texts in _groups(store, files):
        wanted += len(texts)
        missing = missing_vectors(store.database, pipeline.space.space_id, texts)
        fresh = {h: text for h, text in texts.items() if h in missing}
        if fresh:
            vectors = load_embedder().embed(list(fresh.values()))
            store_vectors(store.database, pipeline.space.space_id, list(fresh), vectors)
        computed += len(fresh)
        progress("embed", wanted, None)
    return EmbedReport(vectors_computed=computed, vectors_reused=wanted - computed, space=pipeline.space.space_id)


def _groups(store: Store, files: Sequence[str]) -> Iterator[dict[bytes, str]]:
    """Yield texts by their hash, some 512 at a time, each hash once."""
    group: dict[bytes, str] = {}
    seen: set[bytes] = set()
    for file in files:
        for row in store.objects.read(file, columns=["chunks"]):
            for chunk in row["chunks"] or ():
                if chunk["text_hash"] not in seen:
                    seen.add(chunk["text_hash"])
                    group[chunk["text_hash"]] = f"{chunk['context']}\n{chunk['content']}" if chunk["context"] else chunk["content"]
            if len(group) >= GROUP:
                yield group
                group = {}
    if group:
        yield group
