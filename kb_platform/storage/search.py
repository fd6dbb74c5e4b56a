"""Search over one release: the statement is the database's function, so that row-level security and both indexes hold."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

import numpy as np
import psycopg
from pgvector import HalfVector, SparseVector

from kb_platform.knowledge.errors import StateError
from kb_platform.storage.database import Database, Role

TERM_SPACE = 1_000_000_000
LITERAL = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,17})?|true|false")


@dataclass(frozen=True)
class Place:
    """Where else a found text stands."""

    chunk_id: int
    source: str
    doc_id: str
    title: str
    start: int
    end: int


@dataclass(frozen=True)
class Hit:
    """A chunk that was found: where it stands in its document, both scores, their combination, and where the same text stands too."""

    chunk_id: int
    source: str
    doc_id: str
    title: str
    start: int
    end: int
    content: str
    dense: float
    lexical: float
    score: float
    also_in: tuple[Place, ...] = ()


@dataclass(frozen=True)
class Question:
    """A question ready for the database: its vector and the space that it is in, its terms with idf weights, those to look up.

    `unreadable`: the vector says nothing, and its weight is 0.
    """

    space_id: str
    vector: np.ndarray
    weights: Mapping[int, float]
    lookup: Sequence[int]
    dense_weight: float
    unreadable: bool = False


@dataclass(frozen=True)
class Wanted:
    """A question with what is wanted of its answer: the k best, among documents with these metadata."""

    question: Question
    k: int
    where: Mapping[str, Any] | None = None


def readable_release(database: Database, release_id: int | None, role: Role) -> int:
    """Return the release to read: the live one, or a kept one. The gate's role may read the candidate as well.

    Raises:
        StateError: nothing was promoted yet, or this release cannot be read.
    """
    with kept(database), database.transaction(role) as c:
        if role == "gate" and release_id is not None:
            c.execute("select not_collected(%s)", (release_id,))
            return release_id
        row = c.execute("select readable_release(%s)", (release_id,)).fetchone()
    return int(row[0]) if row else 0


@contextmanager
def kept(database: Database) -> Iterator[None]:
    """Say in one sentence that a release cannot be read, also when its rows were collected a moment ago."""
    try:
        yield
    except psycopg.errors.NoDataFound as error:
        raise StateError(error.diag.message_primary or "", where=database.name, action=f"see `kb releases {database.name}`") from error


def term_statistics(database: Database, release_id: int, terms: Sequence[int], role: Role) -> tuple[dict[int, int], int]:
    """Return document frequencies by term, and the number of chunks of the release."""
    function = "term_statistics_rows(not_collected(%s)" if role == "gate" else "term_statistics(%s"
    with kept(database), database.transaction(role) as c:
        rows = c.execute(f"select * from {function}, %s)", (release_id, list(terms))).fetchall()
    return {term: df for term, df, _ in rows if df > 0}, rows[0][2] or 0 if rows else 0


def search(
    database: Database, release_id: int, question: Question, *, k: int, depth: int, where: Mapping[str, Any] | None, role: Role
) -> list[Hit]:
    """Return the k best chunks of one release, best first; `where` are metadata values that a document must have.

    A list holds a value when one of its items is it; "2020" finds the number 2020 too.
    """
    return search_many(database, release_id, [Wanted(question, k, where)], depth=depth, role=role)[0]


def search_many(database: Database, release_id: int, wanted: Sequence[Wanted], *, depth: int, role: Role) -> list[list[Hit]]:
    """Return the best chunks for each question: one transaction, and the next statement is on its way before an answer is.

    A search of its own costs some 40 round trips for the transaction, the vector types and the statement.
    """
    with kept(database), database.transaction(role) as c, c.pipeline():
        statement = _statement(role)
        cursors = [c.execute(statement, (release_id, *_values(w.question, w.k, depth), _path(w.where) if w.where else None)) for w in wanted]
        return [[Hit(*row) for row in cursor] for cursor in cursors]


def _statement(role: Role) -> LiteralString:
    function = "search_rows(not_collected(%s)" if role == "gate" else "search(%s"
    return f"select * from {function}, %s, %s, %s, %s, %s, %s, %s, %s::jsonpath)"


def _values(question: Question, k: int, depth: int) -> tuple[Any, ...]:
    weights = SparseVector({term - 1: w for term, w in question.weights.items()}, TERM_SPACE)  # ids count from 1 in SQL
    vector = HalfVector(question.vector.astype(np.float16))
    return question.space_id, vector, list(question.lookup), weights, k, depth, question.dense_weight


def _path(where: Mapping[str, Any]) -> str:
    """Return the jsonpath predicate, whose lax mode looks into lists; JSON's strings and names are jsonpath's."""
    return " && ".join(
        "(" + " || ".join(f"$.{json.dumps(key)} == {literal}" for literal in _literals(value)) + ")" for key, value in where.items()
    )


def _literals(value: Any) -> list[str]:
    """Return a value as a jsonpath literal; text that reads like a number, true or false, as that as well."""
    literals = [json.dumps(value)]
    if isinstance(value, str) and LITERAL.fullmatch(value):
        literals.append(value)
    return literals
