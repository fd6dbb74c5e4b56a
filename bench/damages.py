"""Eight ways in which a candidate goes wrong, done where each really happens: in the delivery, chunker, embedder or index.

Used by damaged_candidates.py. Each is deterministic. The German sentences are written for this file.
"""

import hashlib
import json
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kb_platform.index.analysis.analyzers import ANALYZERS
from kb_platform.index.embed import Embedder, LoadEmbedder, never
from kb_platform.index.lexical import chunk_fields, weigh_document
from kb_platform.knowledge.documents import Chunk, Document
from kb_platform.knowledge.spaces import EmbeddingSpace
from kb_platform.resources import load_embedder
from kb_platform.storage import index_beside
from kb_platform.storage.index_upkeep import rebuild_index, space_indexes
from kb_platform.storage.stores import Store

Row = dict[str, Any]
SEED = 11
SEARCHABLE = ("synonyms",)


@dataclass(frozen=True)
class Damage:
    """One damage; each field is what it does at one place, nothing by default.

    Attributes:
        name: as in the table.
        documents: the delivery.
        chunks: one document's row of the chunk file, before its texts are embedded.
        embedder: how the model is loaded that computes the vectors.
        writing: entered while the rows are written.
        embedding: the `embedding:` section of defs.yaml: another space, so that every vector is computed.
        anew: every row is written again; otherwise only what the delivery changed.
    """

    name: str
    documents: Callable[[list[Row]], list[Row]] = lambda rows: rows
    chunks: Callable[[Row, EmbeddingSpace], Row] | None = None
    embedder: LoadEmbedder = load_embedder
    writing: Callable[[Store, str], AbstractContextManager[None]] = lambda _store, _space: nullcontext()
    embedding: dict[str, Any] = field(default_factory=dict)
    anew: bool = False


def without_some(rows: list[Row]) -> list[Row]:
    """Leave out 5 % of the documents."""
    gone = set(random.Random(SEED).sample(range(len(rows)), round(len(rows) / 20)))  # noqa: S311  no secret
    return [row for number, row in enumerate(rows) if number not in gone]


def without_metadata(rows: list[Row]) -> list[Row]:
    """Leave out the synonyms, which are searchable, and the concept ids."""
    return [row | {"synonyms": [], "cuis": []} for row in rows]


BANNER = """Skip to main content. An official website of the government, and here is how you know it. The information on this page is
for education only and does not replace the advice of your own doctor or pharmacist. Share this page by mail, print it, or subscribe
to our newsletter to learn about news in research, clinical trials and treatment. Last reviewed by the editorial team of this site."""


def with_banner(rows: list[Row]) -> list[Row]:
    """Put the page's banner under each heading of every second document."""
    return [row | {"text": row["text"].replace("\n\n## ", f"\n\n{BANNER}\n\n## ") + f"\n\n{BANNER}"} if number % 2 else row
            for number, row in enumerate(rows)]


PUBLISHER = "NINDS"
HEADINGS = {"Overview": "Überblick", "Treatment": "Behandlung", "Symptoms": "Symptome", "Outlook": "Prognose", "Research": "Forschung",
            "Exams and tests": "Untersuchungen", "Causes": "Ursachen", "Prevention": "Vorbeugung"}
GERMAN = """{name} ist eine Erkrankung, über die Ärztinnen und Ärzte seit Jahren mehr erfahren
Die ersten Beschwerden treten bei {name} oft schon in jungen Jahren auf
Viele Betroffene mit {name} berichten über Müdigkeit, Schmerzen und Schwäche in Armen und Beinen
Bei {name} hilft eine frühe Behandlung, den Verlauf zu verlangsamen
Eine Heilung von {name} ist bisher nicht möglich, doch lassen sich die Beschwerden lindern
Medikamente gegen {name} werden meist als Tablette oder Spritze gegeben
Wie {name} verläuft, ist von Mensch zu Mensch verschieden und lässt sich kaum vorhersagen
Wer {name} hat, sollte regelmäßig zur Kontrolle in die Sprechstunde kommen
Die Ursachen von {name} sind nur zum Teil bekannt und werden weiter erforscht
Manche Formen von {name} werden in der Familie vererbt, andere entstehen ohne erkennbaren Grund
Um {name} festzustellen, untersucht man das Blut, die Nerven und die Bilder des Kopfes
Übungen mit einer Therapeutin können bei {name} die Beweglichkeit erhalten
Angehörige von Menschen mit {name} finden Rat in Selbsthilfegruppen und Beratungsstellen
Kinder mit {name} brauchen in der Schule häufig besondere Unterstützung
Zurzeit prüfen mehrere Studien neue Wege, um {name} besser zu behandeln
Eine Operation kommt bei {name} nur in Frage, wenn andere Mittel nicht ausreichen"""


def in_german(rows: list[Row]) -> list[Row]:
    """Deliver the pages of one publisher in German: the same ids and titles, about as long."""
    rng = random.Random(SEED)  # noqa: S311  no secret
    return [row | {"text": _translated(row, rng)} if row["source"] == PUBLISHER else row for row in rows]


def _translated(row: Row, rng: random.Random) -> str:
    title, *sections = row["text"].split("\n\n## ")
    parts = [title]
    for section in sections:
        heading, _, body = section.partition("\n")
        sentences = list[str]()
        while sum(map(len, sentences)) < len(body):
            sentences.append(f"{rng.choice(GERMAN.splitlines()).format(name=row['title'])}, wie Abschnitt {len(sentences) + 1} zeigt.")
        parts.append(f"{HEADINGS.get(heading, 'Weiteres')}\n{' '.join(sentences)}")
    return "\n\n## ".join(parts)


def cut_in_half(row: Row, space: EmbeddingSpace) -> Row:
    """Cut each chunk to its first half, with its terms and its place, as a chunker would that loses text."""
    return row | {"chunks": [_half(row, chunk, space) for chunk in row["chunks"] or ()],
                  "version_hash": hashlib.sha256(row["version_hash"]).digest()} if row["chunks"] else row


def _half(row: Row, chunk: Row, space: EmbeddingSpace) -> Row:
    content = chunk["content"][: len(chunk["content"]) // 2]
    half = Chunk(chunk["ordinal"], chunk["start"], chunk["start"] + len(content), content, chunk["context"])
    document = Document(row["doc_id"], row["title"], "", metadata=json.loads(row["metadata"]))
    terms, weights = weigh_document(chunk_fields(document, half, SEARCHABLE), ANALYZERS["english"])
    return chunk | {"content": content, "end": half.end, "terms": terms, "weights": weights,
                    "text_hash": space.text_hash(half.embedded_text), "content_hash": hashlib.sha256(chunk["content_hash"]).digest()}


@dataclass(frozen=True)
class Misled:
    """An embedder that gives texts the vectors of something else."""

    model: Embedder
    space: EmbeddingSpace
    vectors: Callable[[Embedder, Sequence[str]], np.ndarray]

    def embed(self, texts: Sequence[str], given_up: Callable[[], bool] = never) -> np.ndarray:  # noqa: ARG002  the protocol's
        """Return vectors, but not those of the texts."""
        return self.vectors(self.model, texts)

    def embed_query(self, text: str) -> np.ndarray:
        """Return the vector of a question."""
        return self.model.embed_query(text)

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors of questions."""
        return self.model.embed_queries(texts)

    def unread(self, text: str) -> tuple[list[str], float]:
        """Return what the model cannot read."""
        return self.model.unread(text)


def misled(vectors: Callable[[Embedder, Sequence[str]], np.ndarray]) -> LoadEmbedder:
    """Return a way to load the model that leads it astray; it reads up to the 256 tokens that it is made for."""
    return lambda space: Misled(load_embedder(replace(space, max_tokens=256)), space, vectors)


def out_of_order(model: Embedder, texts: Sequence[str]) -> np.ndarray:
    """Return a batch's vectors in another order: results of a pool that are not put back in place."""
    return model.embed(texts)[np.random.default_rng(SEED).permutation(len(texts))]


def of_questions(model: Embedder, texts: Sequence[str]) -> np.ndarray:
    """Return vectors under a prompt that the space does not know."""
    return model.embed([f"query: {text}" for text in texts])


@contextmanager
def index_left_behind(store: Store, space: str) -> Iterator[None]:
    """Keep the vector index as it is while rows are written: a restored or half-replicated index, valid and not up to date.

    The rows are meant for it one by one: as many as these would go past it, into one that the seal builds over all rows.
    """
    update = "update pg_index set indisready = %s where indexrelid in (select name::regclass from hnsw_indexes(%s))"
    many, index_beside.MANY = index_beside.MANY, sys.maxsize
    with store.database.transaction("owner") as c:
        c.execute(update, (False, space))
    try:
        yield
    finally:
        index_beside.MANY = many
        with store.database.transaction("owner") as c:
            c.execute(update, (True, space))


def build_indexes_anew(store: Store) -> None:
    """Leave each space one new vector index, as maintenance does: what earlier candidates left in them, and beside them, is gone."""
    for index in space_indexes(store.database):
        if index.built:
            note = rebuild_index(store.database, index.space).note
            assert note is None, note


DAMAGES = (
    Damage("5 % of documents dropped", documents=without_some),
    Damage("chunks truncated", chunks=cut_in_half, anew=True),
    Damage("vectors shuffled", embedder=misled(out_of_order), embedding={"max_tokens": 251}),
    Damage("wrong prompt prefix", embedder=misled(of_questions), embedding={"max_tokens": 252}),
    Damage("stale index", writing=index_left_behind, anew=True),
    Damage("duplicated boilerplate", documents=with_banner),
    Damage("wrong language", documents=in_german),
    Damage("dropped metadata", documents=without_metadata),
)
