"""Golden sets in BEIR's and TREC's files, both ways."""

from pathlib import Path

import ir_measures
import pytest

from kb_platform.knowledge.errors import ConfigError
from kb_platform.quality.golden import ExpectedPassage, Golden, Severity
from kb_platform.quality.golden_formats import from_query_set, write_beir, write_trec
from kb_platform.quality.trec_files import QuerySet, read_query_set

GOLDENS = [
    Golden("a", "Who calls\nwhom?", (ExpectedPassage("d1", "words"), ExpectedPassage("d1", "more words"), ExpectedPassage("d2", None))),
    Golden("b 100%", "What costs 5 %?", (ExpectedPassage("folder/d 3.md", "words"),), ("numbers",), Severity.CRITICAL),
]
DOCUMENTS = {"a": {"d1": 1, "d2": 1}, "b 100%": {"folder/d 3.md": 1}}


@pytest.mark.parametrize("write", [write_beir, write_trec])
def test_what_is_exported_is_read_back_as_questions_with_whole_documents(tmp_path: Path, write: object) -> None:
    queries, qrels = write(GOLDENS, tmp_path / "out")  # type: ignore[operator]
    query_set = read_query_set(queries, qrels)
    assert query_set.qrels == DOCUMENTS
    found = from_query_set(query_set, slices=["imported"])
    assert [(g.id, g.question) for g in found] == [("a", "Who calls whom?"), ("b 100%", "What costs 5 %?")]
    assert found[0].expected == (ExpectedPassage("d1", None), ExpectedPassage("d2", None))
    assert found[0].slices == ("imported",)


def test_slices_and_severity_come_back_from_beir_and_what_others_keep_there_is_left(tmp_path: Path) -> None:
    queries, qrels = write_beir(GOLDENS, tmp_path)
    found = from_query_set(read_query_set(queries, qrels), slices=["imported"])
    assert [(g.slices, g.severity) for g in found] == [(("imported",), Severity.NORMAL), (("imported", "numbers"), Severity.CRITICAL)]
    queries.write_text(queries.read_text().replace('["numbers"]', '"3 mm"').replace('"critical"', "[7]"))
    found = from_query_set(read_query_set(queries, qrels))
    assert [(g.slices, g.severity) for g in found] == [((), Severity.NORMAL)] * 2


def test_other_tools_read_the_exported_qrels(tmp_path: Path) -> None:
    _, qrels = write_trec(GOLDENS, tmp_path)
    rows = list(ir_measures.read_trec_qrels(str(qrels)))
    assert [(r.query_id, r.doc_id, r.relevance) for r in rows] == [("a", "d1", 1), ("a", "d2", 1), ("b%20100%25", "folder/d%203.md", 1)]


def test_documents_below_the_grade_do_not_answer_and_queries_without_any_are_left_out() -> None:
    query_set = QuerySet({"a": "Q?", "b": "R?"}, {"a": {"d1": 2, "d2": 1}, "b": {"d1": 1}})
    (golden,) = from_query_set(query_set, min_grade=2)
    assert (golden.id, [p.document for p in golden.expected]) == ("a", ["d1"])
    with pytest.raises(ConfigError, match="no judgment has the grade 3 or more"):
        from_query_set(query_set, min_grade=3)


def test_a_topic_without_a_question_is_named_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "topics.tsv").write_text("a\tWho?\nb\n")
    (tmp_path / "qrels.txt").write_text("a 0 d 1\n")
    with pytest.raises(ConfigError, match=r"topics.tsv:2: found 1 columns; expected id, tab, question"):
        read_query_set(tmp_path / "topics.tsv", tmp_path / "qrels.txt")
