"""Retrieval: a question becomes a vector and weighed terms, one statement searches both and combines them.

The vector is made by the model of the space that the searched release is in, which need not be the one that the YAML names now. The
terms are made by every analyzer that the release has chunks of; each chunk answers to those of its own. What the model cannot read
of a question has no say: the vector's weight shrinks with the share of unread words, and of none is left only what words find.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Lock
from typing import Any

import numpy as np

from kb_platform.index.analysis.analyzers import ANALYZERS, BEFORE, Analyzer
from kb_platform.index.embed import Embedder, LoadEmbedder
from kb_platform.index.equal_texts import MOST, different, wide
from kb_platform.index.fusion import FusionParameters, lookup_terms
from kb_platform.index.lexical import question_terms, weigh_question
from kb_platform.index.overlap import in_order
from kb_platform.storage.database import Database, Role
from kb_platform.storage.search import Hit, Question, Wanted, search, search_many, term_statistics
from kb_platform.storage.vectors import space_of_release

BATCH = 128  # questions of one transaction; their hits, with texts, are what memory holds at a time
CONNECTIONS = 2  # a role's pool has as many

_PREPARING = Lock()  # a model computes for one caller at a time


@dataclass(frozen=True)
class Asked:
    """A question in words: the k best chunks are wanted, of documents that have these metadata."""

    text: str
    k: int = 10
    where: Mapping[str, Any] | None = None


@dataclass(frozen=True, eq=False)
class Prepared:
    """What this process computes of a question: its terms by analyzer, its vector, and what the model could not read of it."""

    terms: Mapping[Analyzer, Mapping[int, int]]
    vector: np.ndarray
    unread: Sequence[str]
    readable: float


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

    def search(self, text: str, release: int, *, k: int = 10, where: Mapping[str, Any] | None = None) -> list[Hit]:
        """Return the k best texts of a release. Both legs read the same release, whatever happens to the pointer meanwhile."""
        return self.find([Asked(text, k, where)], self.prepare([text], release), release)[0]

    def prepare(self, texts: Sequence[str], release: int) -> list[Prepared]:
        """Return the words and the vectors of questions: what this process computes. Threads take turns."""
        with _PREPARING:
            return self._prepared(texts, self.embedder(release).embed_queries(texts), release)

    def find(self, asked: Sequence[Asked], prepared: Sequence[Prepared], release: int) -> list[list[Hit]]:
        """Return the best texts for each question: what the database does. Any thread may."""
        questions = self._questions(prepared, release)
        wanted = [Wanted(question, wide(a.k), a.where) for question, a in zip(questions, asked, strict=True)]
        hits = search_many(self.database, release, wanted, depth=self.parameters.depth, role=self.role)
        return [_answered(question, different(found, a.k, partial(self._ask, question, release, a.where)))
                for question, found, a in zip(questions, hits, asked, strict=True)]

    def search_many(self, texts: Sequence[str], vectors: np.ndarray, release: int, *, k: int = 10) -> Iterator[list[Hit]]:
        """Yield the k best texts for each question, in their order; `vectors` are those of the release's embedder.

        The database searches some batches while this process prepares the next and its caller looks at the last.
        """
        self.embedder(release)  # once, and not by two threads at a time
        parts = (slice(start, start + BATCH) for start in range(0, len(texts), BATCH))
        batches = (self._prepared(texts[part], vectors[part], release) for part in parts)

        def found(batch: list[Prepared]) -> list[list[Hit]]:
            return self.find([Asked("", k)] * len(batch), batch, release)

        for hits in in_order(found, batches, threads=CONNECTIONS, ahead=CONNECTIONS + 1):
            yield from hits

    def documents(self, text: str, release: int, *, k: int = 100) -> dict[str, float]:
        """Return documents by their own best chunk's score: for query sets that judge documents.

        Here a paragraph that many documents share does not lift the others to the place of the best: what tells them apart counts.
        """
        question = self._questions(self.prepare([text], release), release)[0]
        found: dict[str, float] = {}
        for hit in _answered(question, self._ask(question, release, None, 4 * self.parameters.depth)):
            found.setdefault(hit.doc_id, hit.score)
        return dict(list(found.items())[:k])

    def _ask(self, question: Question, release: int, where: Mapping[str, Any] | None, k: int) -> list[Hit]:
        depth = max(self.parameters.depth, min(k, MOST) if k > 4 * self.parameters.depth else 0)
        return search(self.database, release, question, k=k, depth=depth, where=where, role=self.role)

    def _prepared(self, texts: Sequence[str], vectors: np.ndarray, release: int) -> list[Prepared]:
        analyzers, embedder = self.analyzers(release), self.embedder(release)

        def prepared(text: str, vector: np.ndarray) -> Prepared:
            words, share = embedder.unread(text)
            return Prepared({analyzer: question_terms(text, analyzer) for analyzer in analyzers}, vector, words, 1 - share)

        return [prepared(text, vector) for text, vector in zip(texts, vectors, strict=True)]

    def _questions(self, prepared: Sequence[Prepared], release: int) -> list[Question]:
        """Return questions ready for the database."""
        terms = {term for question in prepared for own in question.terms.values() for term in own}
        df, _ = term_statistics(self.database, release, sorted(terms), self.role)
        return [self._weighed(question, df, release) for question in prepared]

    def _weighed(self, prepared: Prepared, df: Mapping[int, int], release: int) -> Question:
        """Weigh a question's terms, those of each analyzer among its own chunks."""
        weights, lookup = dict[int, float](), list[int]()
        for analyzer, terms in prepared.terms.items():
            weights |= weigh_question(terms, df, self.analyzers(release)[analyzer]).weights
            lookup += lookup_terms({term: df[term] for term in terms if term in df}, self.parameters)
        space, dense_weight = self.embedder(release).space.space_id, self.parameters.dense_weight * prepared.readable
        return Question(space, prepared.vector, weights, lookup, dense_weight, unreadable=not prepared.readable)


def _answered(question: Question, hits: list[Hit]) -> list[Hit]:
    """Return what was found. The vector of a question that the model cannot read at all is like that of any other such text."""
    return [replace(hit, dense=0.0) for hit in hits if hit.lexical > 0] if question.unreadable else hits
