"""Retrieval: a question becomes a vector and weighed terms, one statement searches both and combines them.

The vector is made by the model of the space that the searched release is in, which need not be the one that the YAML names now. The
terms are made by every analyzer that the release has chunks of; each chunk answers to those of its own. What the model cannot read
of a question has no say: the vector's weight shrinks with the share of unread words, and of none is left only what words find.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from kb_platform.index.analysis.analyzers import ANALYZERS, BEFORE, Analyzer
from kb_platform.index.embed import Embedder, LoadEmbedder
from kb_platform.index.equal_texts import MOST, different, wide
from kb_platform.index.fusion import FusionParameters, lookup_terms
from kb_platform.index.lexical import question_terms, weigh_question
from kb_platform.index.overlap import in_order
from kb_platform.storage.database import Database, Role
from kb_platform.storage.search import Hit, Question, search, search_many, term_statistics
from kb_platform.storage.vectors import space_of_release

BATCH = 128  # questions of one transaction; their hits, with texts, are what memory holds at a time
CONNECTIONS = 2  # a role's pool has as many


@dataclass(frozen=True)
class Retriever:
    """Searches one knowledge base. `role` is the database's: a reader sees what was promoted, the gate also the candidate."""

    database: Database
    load_embedder: LoadEmbedder
    parameters: FusionParameters
    role: Role = "reader"
    _embedders: dict[int, Embedder] = field(default_factory=dict, compare=False, repr=False)
    _analyzers: dict[int, dict[Analyzer, int]] = field(default_factory=dict, compare=False, repr=False)

    def embedder(self, release: int) -> Embedder:
        """Return the embedder of a release's space, which never changes.

        Raises:
            ConfigError: the model's files are gone, or are others: no other model is taken in its place.
        """
        if release not in self._embedders:
            self._embedders[release] = self.load_embedder(space_of_release(self.database, release, self.role))
        return self._embedders[release]

    def analyzers(self, release: int) -> dict[Analyzer, int]:
        """Return the analyzers that made a release's terms, with the chunks of each; that of chunks without a mark comes last."""
        if release not in self._analyzers:
            df, chunks = term_statistics(self.database, release, [a.mark for a in ANALYZERS.values()], self.role)
            found = {a: df[a.mark] for a in ANALYZERS.values() if a.mark in df}
            older = chunks - sum(found.values())
            self._analyzers[release] = found | ({BEFORE: older} if older > 0 else {})
        return self._analyzers[release]

    def unread(self, text: str, release: int) -> list[str]:
        """Return the words of a question that the model of the release's space cannot read."""
        return self.embedder(release).unread(text)[0]

    def search(self, text: str, release: int, *, k: int = 10, where: Mapping[str, Any] | None = None) -> list[Hit]:
        """Return the k best texts of a release. Both legs read the same release, whatever happens to the pointer meanwhile."""
        question = self._questions([text], self.embedder(release).embed_queries([text]), release)[0]
        ask = partial(self._ask, question, release, where)
        return _answered(question, different(ask(wide(k)), k, ask))

    def search_many(self, texts: Sequence[str], vectors: np.ndarray, release: int, *, k: int = 10) -> Iterator[list[Hit]]:
        """Yield the k best texts for each question, in their order; `vectors` are those of the release's embedder.

        The database searches some batches while this process prepares the next and its caller looks at the last.
        """
        self.embedder(release)  # once, and not by two threads at a time
        self.analyzers(release)
        parts = (slice(start, start + BATCH) for start in range(0, len(texts), BATCH))

        def found(part: slice) -> list[list[Hit]]:
            questions = self._questions(texts[part], vectors[part], release)
            hits = search_many(self.database, release, questions, k=wide(k), depth=self.parameters.depth, role=self.role)
            return [_answered(question, different(found, k, partial(self._ask, question, release, None)))
                    for question, found in zip(questions, hits, strict=True)]

        for hits in in_order(found, parts, threads=CONNECTIONS, ahead=CONNECTIONS + 1):
            yield from hits

    def documents(self, text: str, release: int, *, k: int = 100) -> dict[str, float]:
        """Return documents by their best chunk's score: for query sets that judge documents."""
        found: dict[str, float] = {}
        for hit in self.search(text, release, k=4 * self.parameters.depth):
            for place in (hit, *hit.also_in):
                found.setdefault(place.doc_id, hit.score)
        return dict(list(found.items())[:k])

    def _ask(self, question: Question, release: int, where: Mapping[str, Any] | None, k: int) -> list[Hit]:
        depth = max(self.parameters.depth, min(k, MOST) if k > 4 * self.parameters.depth else 0)
        return search(self.database, release, question, k=k, depth=depth, where=where, role=self.role)

    def _questions(self, texts: Sequence[str], vectors: np.ndarray, release: int) -> list[Question]:
        """Return questions ready for the database."""
        analyzers = self.analyzers(release)
        asked = [{analyzer: question_terms(text, analyzer) for analyzer in analyzers} for text in texts]
        terms = {term for question in asked for own in question.values() for term in own}
        df, _ = term_statistics(self.database, release, sorted(terms), self.role)
        return [self._weighed(text, vector, question, df, release) for text, vector, question in zip(texts, vectors, asked, strict=True)]

    def _weighed(
        self, text: str, vector: np.ndarray, asked: Mapping[Analyzer, Mapping[int, int]], df: Mapping[int, int], release: int
    ) -> Question:
        """Weigh a question's terms, those of each analyzer among its own chunks."""
        weights, lookup = dict[int, float](), list[int]()
        for analyzer, terms in asked.items():
            weights |= weigh_question(terms, df, self.analyzers(release)[analyzer]).weights
            lookup += lookup_terms({term: df[term] for term in terms if term in df}, self.parameters)
        embedder = self.embedder(release)
        readable = 1 - embedder.unread(text)[1]
        return Question(embedder.space.space_id, vector, weights, lookup, self.parameters.dense_weight * readable, unreadable=not readable)


def _answered(question: Question, hits: list[Hit]) -> list[Hit]:
    """Return what was found. The vector of a question that the model cannot read at all is like that of any other such text."""
    return [replace(hit, dense=0.0) for hit in hits if hit.lexical > 0] if question.unreadable else hits
