"""Retrieval: a question becomes a vector and weighed terms, one statement searches both and combines them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kb_platform.index.embed import Embedder
from kb_platform.index.fusion import FusionParameters, lookup_terms
from kb_platform.index.lexical import question_terms, weigh_question
from kb_platform.storage.database import Database, Role
from kb_platform.storage.search import Hit, Question, search, term_statistics


@dataclass(frozen=True)
class Retriever:
    """Searches one knowledge base. `role` is the database's: a reader sees what was promoted, the gate also the candidate."""

    database: Database
    embedder: Embedder
    parameters: FusionParameters
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
        vector, lookup = self.embedder.embed_query(text), lookup_terms(df, self.parameters)
        return Question(vector, weighed.weights, lookup, self.parameters.dense_weight)
