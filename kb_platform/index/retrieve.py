"""Retrieval: a question becomes a vector and weighed terms, one statement searches both and combines them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kb_platform.index.embed import Embedder
from kb_platform.index.lexical import question_terms, weigh_question
from kb_platform.storage.database import Database, Role
from kb_platform.storage.search import Hit, Question, search, term_statistics

COMMON = 0.2


@dataclass(frozen=True)
class SearchParameters:
    """How the two legs meet.

    Attributes:
        dense_weight: share of the cosine similarity in the score; the rest is BM25 divided by the best hit's.
        depth: candidates from each leg.
        common: a term of more than this share of the chunks finds no candidates of its own (it still counts in the score), unless
            the question has nothing rarer.
    """

    dense_weight: float = 0.5
    depth: int = 200
    common: float = COMMON


@dataclass(frozen=True)
class Retriever:
    """Searches one knowledge base. `role` is the database's: a reader sees what was promoted, the gate also the candidate."""

    database: Database
    embedder: Embedder
    parameters: SearchParameters
    role: Role = "reader"

    def search(self, text: str, release: int, *, k: int = 10, where: Mapping[str, Any] | None = None) -> list[Hit]:
        """Return the k best chunks of a release. Both legs read the same release, whatever happens to the pointer meanwhile."""
        question = self._question(text, release)
        return search(self.database, release, question, k=k, depth=self.parameters.depth, where=where, role=self.role)

    def documents(self, text: str, release: int, *, k: int = 100) -> dict[str, float]:
        """Return documents by their best chunk's score: for query sets that judge documents."""
        found: dict[str, float] = {}
        for hit in self.search(text, release, k=4 * self.parameters.depth):
            found.setdefault(hit.doc_id, hit.score)
        return dict(list(found.items())[:k])

    def _question(self, text: str, release: int) -> Question:
        terms = question_terms(text)
        df, chunks = term_statistics(self.database, release, list(terms), self.role)
        weighed = weigh_question(terms, df, chunks)
        return Question(self.embedder.embed_query(text), weighed.weights, self._lookup(df, chunks), self.parameters.dense_weight)

    def _lookup(self, df: Mapping[int, int], chunks: int) -> Sequence[int]:
        rare = [term for term, count in df.items() if count <= self.parameters.common * chunks]
        return rare or list(df)
