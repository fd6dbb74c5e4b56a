"""Query sets, judgments and runs in the field's file formats: BEIR's JSONL and TSV, TREC's qrels and run.

Whoever has a benchmark can bring it, and whoever doubts our figures can recompute them with trec_eval from what is written here.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

import numpy as np

from kb_platform.knowledge.errors import ConfigError
from kb_platform.quality.located_files import jsonl_objects, read_text
from kb_platform.quality.metrics import Qrels, Run, rank

_QRELS_FORMAT = "query_id, doc_id, grade (tabs), or TREC's query 0 document grade"
_HEADS = ({"query_id", "queryid", "qid", "query", "topic", "topic_id"}, {"grade", "score", "rel", "relevance", "label", "judgment", "judgement"})
QUERY = ("query_id", "_id")
_BREAKS_COLUMNS = re.compile(r"[\s%]")


@dataclass(frozen=True)
class QuerySet:
    """Judged queries: `queries[query_id]` is the text, `metadata` what BEIR's files say beside it; every query has at least one judgment."""

    queries: dict[str, str]
    qrels: dict[str, dict[str, int]]
    metadata: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


def read_query_set(queries_file: Path, qrels_file: Path) -> QuerySet:
    """Return the judged queries; those without judgments are left out. ConfigError where a judgment has no query."""
    queries, qrels = read_queries(queries_file), read_qrels(qrels_file)
    unknown = sorted(set(qrels) - set(queries))
    if unknown:
        raise ConfigError(
            f"{len(unknown)} judged queries are not in {queries_file.name}, the first is {unknown[0]!r}",
            where=str(qrels_file), expected="files that belong together",
        )
    return QuerySet({query: queries[query] for query in queries if query in qrels}, qrels, _metadata(queries_file))


def read_queries(path: Path) -> dict[str, str]:
    """Return query texts by id, from JSONL or, where the file is named .tsv or .txt, from lines of id, tab, text.

    JSONL has `query_id` or `_id`, and `text` or `question`; other fields are ignored.
    """
    queries: dict[str, str] = {}
    for where, query, text in _topics(path) if _has_topics(path) else _jsonl_queries(path):
        if query in queries:
            raise ConfigError(f"the query {query!r} is given twice", where=where)
        queries[query] = text
    if not queries:
        raise ConfigError("holds no query", where=str(path), expected='lines such as {"query_id": "q1", "text": "..."}')
    return queries


def _jsonl_queries(path: Path) -> Iterator[tuple[str, str, str]]:
    for line, row in jsonl_objects(path):
        where = f"{path}:{line}"
        yield where, _field(row, QUERY, where), _field(row, ("text", "question"), where)


def _metadata(path: Path) -> dict[str, Mapping[str, object]]:
    if _has_topics(path):
        return {}
    named = ((_field(row, QUERY, str(path)), row.get("metadata")) for _, row in jsonl_objects(path))
    return {query: said for query, said in named if isinstance(said, dict)}


def _has_topics(path: Path) -> bool:
    return path.suffix.lower() in (".tsv", ".txt")


def _topics(path: Path) -> Iterator[tuple[str, str, str]]:
    for line, columns in _rows(path):
        if len(columns) != 2 or not all(columns):
            raise ConfigError(f"found {len(columns)} columns", where=f"{path}:{line}", expected="id, tab, question")
        yield f"{path}:{line}", decoded_id(columns[0]), columns[1]


def _field(row: Mapping[str, object], names: tuple[str, ...], where: str) -> str:
    for name in names:
        value = row.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if isinstance(value, str) and value.strip():
            return value
        if name in row:
            raise ConfigError(f"found {value!r}", where=f"{where}:{name}", expected="a text that is not empty")
    raise ConfigError(f"the field {' or '.join(names)} is missing", where=where)


def read_qrels(path: Path) -> dict[str, dict[str, int]]:
    """Return judgments `qrels[query][document] = grade` from BEIR's three columns (header or not) or TREC's four."""
    qrels: dict[str, dict[str, int]] = {}
    for line, columns in _rows(path):
        where = f"{path}:{line}"
        if len(columns) not in (3, 4):
            raise ConfigError(f"found {len(columns)} columns", where=where, expected=_QRELS_FORMAT)
        query, document, grade = _trec_ids(columns[0], columns[2], columns[3]) if len(columns) == 4 else columns
        number = _grade(grade)
        if number is None:
            if not qrels and _is_head(query, grade):
                continue
            raise ConfigError(f"the grade is {grade!r}", where=where, expected="a whole number")
        if qrels.setdefault(query, {}).setdefault(document, number) != number:
            raise ConfigError(f"query {query!r} and document {document!r} are judged twice, differently", where=where)
    if not qrels:
        raise ConfigError("holds no judgment", where=str(path), expected=_QRELS_FORMAT)
    return qrels


def read_run(path: Path) -> dict[str, dict[str, float]]:
    """Return scores `run[query][document]` from TREC's six columns: query Q0 document rank score tag."""
    run: dict[str, dict[str, float]] = {}
    for line, columns in _rows(path):
        where = f"{path}:{line}"
        if len(columns) != 6:
            raise ConfigError(f"found {len(columns)} columns", where=where, expected="query Q0 document rank score tag")
        query, document, score = _trec_ids(columns[0], columns[2], columns[4])
        try:
            number = float(score)
        except ValueError:
            number = float("nan")
        if not np.isfinite(number):
            raise ConfigError(f"the score is {score!r}", where=where, expected="a number")
        if document in run.setdefault(query, {}):
            raise ConfigError(f"document {document!r} is ranked twice for query {query!r}", where=where)
        run[query][document] = number
    return run


def write_qrels(path: Path, qrels: Qrels) -> None:
    """Write TREC qrels, sorted; white space and `%` in ids are percent-encoded, for TREC's columns end at white space."""
    with path.open("w", encoding="utf-8") as file:
        for query in sorted(qrels):
            for item, grade in sorted(qrels[query].items()):
                file.write(f"{encoded_id(query)} 0 {encoded_id(item)} {grade}\n")


def write_run(path: Path, run: Run, tag: str = "kb-platform") -> None:
    """Write a TREC run whose order survives trec_eval, which reads scores as 32-bit floats and ignores the rank column."""
    with path.open("w", encoding="utf-8") as file:
        for query in sorted(run):
            for place, (item, score) in enumerate(_strictly_decreasing(run[query]), start=1):
                file.write(f"{encoded_id(query)} Q0 {encoded_id(item)} {place} {score:.9g} {tag}\n")


def _strictly_decreasing(scores: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """Yield items in our order with scores that differ as 32-bit floats: a tie is broken by the smallest step there is."""
    previous = np.float32(np.inf)
    for item in rank(scores):
        previous = min(np.float32(scores[item]), np.nextafter(previous, np.float32(-np.inf)))
        yield item, float(previous)


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        row = line.rstrip("\r")
        if row.strip():
            yield number, [column.strip() for column in row.split("\t")] if "\t" in row else row.split()


def _grade(text: str) -> int | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if number.is_integer() else None


def _is_head(query: str, grade: str) -> bool:
    """Tell names of columns from a first line that is broken: covid-19 is a query, though it has an "id" in it."""
    return all(name.strip("#\" ").lower().replace("-", "_") in known for name, known in zip((query, grade), _HEADS, strict=True))


def _trec_ids(query: str, document: str, value: str) -> tuple[str, str, str]:
    return decoded_id(query), decoded_id(document), value


def decoded_id(text: str) -> str:
    """Return the id that `encoded_id` wrote; what it would have written otherwise (5%, a%2Fb) was never encoded, and is the id itself."""
    found = unquote(text)
    return found if encoded_id(found) == text else text


def encoded_id(item: str) -> str:
    """Return an id as TREC files have it: white space and `%` percent-encoded."""
    return _BREAKS_COLUMNS.sub(lambda match: quote(match[0]), item)
