"""Retrieval: a question becomes a vector and weighed terms, one statement searches both and combines them.

The vector is made by the model of the space that the searched release is in, which need not be the one that the YAML names now.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np

from kb_platform.index.embed import Embedder, LoadEmbedder
from kb_platform.index.fusion import FusionParameters, lookup_terms
from kb_platform.index.lexical import question_terms, weigh_question
from kb_platform.index.overlap import in_order
from kb_platform.storage.database import Database, Role
from kb_platform.storage.search import Hit, Question, Wanted, search_many, term_statistics
from kb_platform.storage.vectors import space_of_release

BATCH = 128  # questions of one transaction; their hits, with texts, are what memory holds at a time
CONNECTIONS = 2  # a role's pool has as many

_PREPARING = Lock()  # the stemmer keeps its word in itself, and a model computes for one caller at a time


@dataclass(frozen=True)
class Asked:
    """A question in words: the k best chunks are wanted, of documents that have these metadata."""

    text: str
    k: int = 10
    where: Mapping[str, Any] | None = None


Prepared = tuple[list[dict[int, int]], np.ndarray]
"""Terms and vector of each question."""


@dataclass(frozen=True)
class Retriever:
    """Searches one knowledge base. `role` is the database's: a reader sees what was promoted, the gate also the candidate."""

    database: Database
    load_embedder: LoadEmbedder
    parameters: FusionParameters
    role: Role = "reader"
    _embedders: dict[int, Embedder] = field(default_factory=dict, compare=False, repr=False)

    def embedder(self, release: int) -> Embedder:
        """Return the embedder of a release's space, which never changes.

        Raises:
            ConfigError: the model's files are gone, or are others: no other model is taken in its place.
        """
        if release not in self._embedders:
            self._embedders[release] = self.load_embedder(space_of_release(self.database, release, self.role))
        return self._embedders[release]

    def search(self, text: str, release: int, *, k: int = 10, where: Mapping[str, Any] | None = None) -> list[Hit]:
        """Return the k best chunks of a release. Both legs read the same release, whatever happens to the pointer meanwhile."""
        return self.find([Asked(text, k, where)], self.prepare([text], release), release)[0]

    def prepare(self, texts: Sequence[str], release: int) -> Prepared:
        """Return the words and the vectors of questions: what this process computes. Threads take turns."""
        with _PREPARING:
            return [question_terms(text) for text in texts], self.embedder(release).embed_queries(texts)

    def find(self, asked: Sequence[Asked], prepared: Prepared, release: int) -> list[list[Hit]]:
        """Return the best chunks for each question: what the database does. Any thread may."""
        questions = self._questions(*prepared, release)
        wanted = [Wanted(question, a.k, a.where) for question, a in zip(questions, asked, strict=True)]
        return search_many(self.database, release, wanted, depth=self.parameters.depth, role=self.role)

    def search_many(self, texts: Sequence[str], vectors: np.ndarray, release: int, *, k: int = 10) -> Iterator[list[Hit]]:
        """Yield the k best chunks for each question, in their order; `vectors` are those of the release's embedder.

        The database searches some batches while this process prepares the next and its caller looks at the last.
        """
        self.embedder(release)  # once, and not by two threads at a time
        parts = (slice(start, start + BATCH) for start in range(0, len(texts), BATCH))
        batches = (([question_terms(text) for text in texts[part]], vectors[part]) for part in parts)

        def found(batch: Prepared) -> list[list[Hit]]:
            return self.find([Asked("", k)] * len(batch[0]), batch, release)

        for hits in in_order(found, batches, threads=CONNECTIONS, ahead=CONNECTIONS + 1):
            yield from hits

    def documents(self, text: str, release: int, *, k: int = 100) -> dict[str, float]:
        """Return documents by their best chunk's score: for query sets that judge documents."""
        found: dict[str, float] = {}
        for hit in self.search(text, release, k=4 * self.parameters.depth):
            found.setdefault(hit.doc_id, hit.score)
        return dict(list(found.items())[:k])

    def _questions(self, asked: Sequence[Mapping[int, int]], vectors: np.ndarray, release: int) -> list[Question]:
        """Return questions ready for the database."""
        space = self.embedder(release).space.space_id
        df, chunks = term_statistics(self.database, release, sorted({term for terms in asked for term in terms}), self.role)
        return [self._weighed(space, vector, terms, df, chunks) for vector, terms in zip(vectors, asked, strict=True)]

    def _weighed(self, space: str, vector: np.ndarray, terms: Mapping[int, int], df: Mapping[int, int], chunks: int) -> Question:
        weighed = weigh_question(terms, df, chunks)
        own = {term: df[term] for term in terms if term in df}
        return Question(space, vector, weighed.weights, lookup_terms(own, self.parameters), self.parameters.dense_weight)
