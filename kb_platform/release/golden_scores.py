"""A golden set measured on one release: every question searched, hits scored by the passages that they hold.

Ten thousand goldens are searched in batches, and hits are kept without their texts: memory grows with the goldens, not with the
release. Candidate and live share the questions' vectors while the embedding space is the same.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from kb_platform.index.embed import Embedder, LoadEmbedder
from kb_platform.index.fusion import FusionParameters
from kb_platform.index.retrieve import Retriever
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.progress import Progress, silent
from kb_platform.quality.found_chunks import FoundChunk, keep
from kb_platform.quality.golden import GoldenSet
from kb_platform.quality.metrics import Qrels, Run, RunMetrics
from kb_platform.quality.passages import DocumentKey, PassageState, ResolvedPassage, resolve_goldens, stale_goldens
from kb_platform.quality.relevance import evaluate_goldens, passage_level
from kb_platform.storage.database import Database
from kb_platform.storage.document_texts import document_texts
from kb_platform.storage.stores import Store

DEPTH = 10  # chunks a question; every measure looks at no more
EMBEDDED_AT_ONCE = 512


@dataclass(frozen=True)
class GoldenScores:
    """A golden set on one release: its metrics, what was found for each, and the goldens that could not be judged there."""

    metrics: RunMetrics
    found: dict[str, tuple[FoundChunk, ...]]
    stale: dict[str, PassageState]
    resolved: dict[str, tuple[ResolvedPassage, ...]]

    def as_trec(self) -> tuple[Qrels, Run]:
        """Return the judgments and the ranking that the metrics were computed from, over passages."""
        return passage_level(self.found, self.resolved)


@dataclass(frozen=True)
class Questions:
    """The questions of a golden set, and their vectors in each space that was asked for."""

    goldens: GoldenSet
    _vectors: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def texts(self) -> list[str]:
        """Return the questions in the set's order."""
        return [golden.question for golden in self.goldens.goldens]

    def vectors(self, embedder: Embedder, progress: Progress) -> np.ndarray:
        """Return float32 [goldens, dimension], computed once a space."""
        space = embedder.space.space_id
        if space not in self._vectors:
            self._vectors[space] = np.concatenate(list(_embedded(self.texts, embedder, progress)))
        return self._vectors[space]


def score_goldens(
    store: Store, kb: KnowledgeBase, asked: Questions, release_id: int, load_embedder: LoadEmbedder, progress: Progress = silent
) -> GoldenScores:
    """Search a release with every golden's question, and score the hits by the passages that they hold."""
    resolved = resolve_goldens(asked.goldens.goldens, lambda ids: documents_of(store.database, release_id, ids))
    retriever = Retriever(store.database, load_embedder, FusionParameters.from_settings(kb.search), role="gate")
    hits = retriever.search_many(asked.texts, asked.vectors(retriever.embedder(release_id), progress), release_id, k=DEPTH)
    found: dict[str, tuple[FoundChunk, ...]] = {}
    for golden, chunks in zip(asked.goldens.goldens, hits, strict=True):
        found[golden.id] = keep(chunks)
        progress(f"golden queries, release {release_id}", len(found), len(asked.goldens.goldens))
    return GoldenScores(evaluate_goldens(found, resolved), found, stale_goldens(resolved), resolved)


def documents_of(database: Database, release_id: int, ids: Collection[str] | None) -> Iterator[tuple[DocumentKey, str]]:
    """Yield a release's documents of some ids, or all of them, as resolve_goldens reads them."""
    return ((DocumentKey(*key), text) for key, text in document_texts(database, release_id, ids))


def _embedded(texts: Sequence[str], embedder: Embedder, progress: Progress) -> Iterator[np.ndarray]:
    for first in range(0, len(texts), EMBEDDED_AT_ONCE):
        yield embedder.embed_queries(texts[first : first + EMBEDDED_AT_ONCE])
        progress("embedding questions", min(first + EMBEDDED_AT_ONCE, len(texts)), len(texts))
