"""Golden sets in the field's formats: BEIR and TREC, which judge whole documents, both ways. deepeval's is in deepeval_goldens.py.

Judgments say which documents answer, not which passage: what is imported from them expects whole documents (`whole: true`), and a
quote that is exported becomes a judgment of its document.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from kb_platform.knowledge.errors import ConfigError
from kb_platform.quality.golden import ExpectedPassage, Golden, Severity
from kb_platform.quality.trec_files import QuerySet, encoded_id, write_qrels


def from_query_set(query_set: QuerySet, *, min_grade: int = 1, slices: Sequence[str] = ()) -> list[Golden]:
    """Return judged queries as goldens; documents graded below `min_grade` do not answer, nor do queries without any above it.

    Slices and severity are taken from a query's metadata, as write_beir writes them.

    Raises:
        ConfigError: no query has a document of that grade.
    """
    goldens = []
    for query, text in query_set.queries.items():
        documents = sorted(document for document, grade in query_set.qrels[query].items() if grade >= min_grade)
        if documents:
            expected = tuple(ExpectedPassage(document, None) for document in documents)
            own, severity = _said(query_set.metadata.get(query, {}))
            goldens.append(Golden(query, " ".join(text.split()), expected, tuple(sorted({*slices, *own})), severity))
    if not goldens:
        raise ConfigError(f"no judgment has the grade {min_grade} or more", where="qrels", action="lower --min-grade")
    return goldens


def _said(metadata: Mapping[str, object]) -> tuple[list[str], Severity]:
    """Return slices and severity; what others keep under these names, and means something else, is left."""
    slices, severity = metadata.get("slices"), metadata.get("severity")
    return ([name for name in slices if isinstance(name, str)] if isinstance(slices, list) else [],
            Severity(severity) if severity in list(Severity) else Severity.NORMAL)


def write_beir(goldens: Sequence[Golden], folder: Path) -> list[Path]:
    """Write queries.jsonl and qrels/test.tsv as BEIR has them, with slices and severity in `metadata`; return the files."""
    queries, qrels = folder / "queries.jsonl", folder / "qrels" / "test.tsv"
    qrels.parent.mkdir(parents=True, exist_ok=True)
    rows = ({"_id": g.id, "text": g.question, "metadata": {"slices": list(g.slices), "severity": g.severity.value}} for g in goldens)
    queries.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    judged = (f"{g.id}\t{document}\t1\n" for g in goldens for document in _documents(g))
    qrels.write_text("query-id\tcorpus-id\tscore\n" + "".join(judged), encoding="utf-8")
    return [queries, qrels]


def write_trec(goldens: Sequence[Golden], folder: Path) -> list[Path]:
    """Write topics.tsv (id and question, with a tab between) and qrels.txt in TREC's four columns; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    topics, qrels = folder / "topics.tsv", folder / "qrels.txt"
    topics.write_text("".join(f"{encoded_id(g.id)}\t{' '.join(g.question.split())}\n" for g in goldens), encoding="utf-8")
    write_qrels(qrels, {g.id: dict.fromkeys(_documents(g), 1) for g in goldens})
    return [topics, qrels]


def _documents(golden: Golden) -> list[str]:
    return sorted({passage.document for passage in golden.expected})
