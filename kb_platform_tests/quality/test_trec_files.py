"""Query sets, judgments and runs: every usual format is read, every mistake named, and trec_eval reads what is written."""

import json
from collections.abc import Callable
from pathlib import Path

import ir_measures
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kb_platform.knowledge.errors import ConfigError
from kb_platform.quality.metrics import MEASURES, evaluate_run
from kb_platform.quality.trec_files import (
    QuerySet,
    encoded_id,
    read_qrels,
    read_queries,
    read_query_set,
    read_run,
    write_qrels,
    write_run,
)


def write(path: Path, text: str) -> Path:
    """Write a text and return its file."""
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        '{"query_id": "q1", "text": "When?"}\n{"query_id": "2", "text": "Where?"}\n',
        '{"_id": "q1", "text": "When?", "metadata": {}}\n\n{"_id": 2, "question": "Where?"}',
    ],
)
def test_queries_of_both_spellings_are_read(tmp_path: Path, text: str) -> None:
    assert read_queries(write(tmp_path / "q.jsonl", text)) == {"q1": "When?", "2": "Where?"}


@pytest.mark.parametrize(
    "text",
    [
        "query_id\tdoc_id\tgrade\nq1\tmy doc.md\t2\nq1\tb\t0\nq2\ta\t1\n",
        "query-id\tcorpus-id\tscore\r\nq1\tmy doc.md\t2\r\nq1\tb\t0\r\nq2\ta\t1\r\n",
        "q1\tmy doc.md\t2.0\nq1\tb\t0\n\nq2\ta\t1",
        "q1 0 my%20doc.md 2\nq1 0 b 0\nq2 Q0 a 1\n",
        "q1\t0\tmy doc.md\t2\nq1\t0\tb\t0\nq2\t0\ta\t1\n",
    ],
)
def test_judgments_of_every_usual_format_are_read(tmp_path: Path, text: str) -> None:
    assert read_qrels(write(tmp_path / "qrels.tsv", text)) == {"q1": {"my doc.md": 2, "b": 0}, "q2": {"a": 1}}


@pytest.mark.parametrize("name", ["a b", "50%", "a%20b", "100% \u00a0x", "a%2Fb", "%25", "plain"])
def test_an_id_means_the_same_in_every_form(tmp_path: Path, name: str) -> None:
    """BEIR has it as it is, between tabs; TREC with white space and percent signs encoded, or as others write it."""
    coded = encoded_id(name)
    queries = [write(tmp_path / "q.jsonl", json.dumps({"_id": name, "text": "x"})), write(tmp_path / "t.tsv", f"{coded}\tx")]
    judged = [write(tmp_path / "beir.tsv", f"{name}\t{name}\t1"), write(tmp_path / "trec.txt", f"{coded} 0 {coded} 1")]
    for asked in queries:
        for grades in judged:
            assert read_query_set(asked, grades) == QuerySet({name: "x"}, {name: {name: 1}})
    write_qrels(tmp_path / "again.txt", {name: {name: 1}})
    assert read_qrels(tmp_path / "again.txt") == {name: {name: 1}}


@pytest.mark.parametrize("name", ["50%", "5%-x", "a%2Fb", "100%zz"])
def test_trec_files_of_others_keep_their_percent_signs(tmp_path: Path, name: str) -> None:
    assert read_qrels(write(tmp_path / "q.txt", f"{name} 0 {name} 1")) == {name: {name: 1}}


def test_queries_without_judgments_are_left_out(tmp_path: Path) -> None:
    queries = write(tmp_path / "q.jsonl", '{"_id": "a", "text": "x"}\n{"_id": "b", "text": "y"}')
    found = read_query_set(queries, write(tmp_path / "qrels.tsv", "b\td\t1"))
    assert (found.queries, found.qrels) == ({"b": "y"}, {"b": {"d": 1}})


def test_a_judged_query_that_is_not_asked_is_an_error(tmp_path: Path) -> None:
    queries = write(tmp_path / "q.jsonl", '{"_id": "a", "text": "x"}')
    with pytest.raises(ConfigError, match=r"qrels.tsv: 1 judged queries are not in q.jsonl, the first is 'b'"):
        read_query_set(queries, write(tmp_path / "qrels.tsv", "b\td\t1"))


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (read_queries, "", "f: holds no query"),
        (read_queries, '{"query_id": "a", "text": "x"}\n{"query_id": "a", "text": "y"}', "f:2: the query 'a' is given twice"),
        (read_queries, '{"text": "x"}', "f:1: the field query_id or _id is missing"),
        (read_queries, '{"_id": "a"}', "f:1: the field text or question is missing"),
        (read_queries, '{"_id": "a", "text": ["x"]}', "f:1:text: found ['x']; expected a text that is not empty"),
        (read_queries, '{"_id": "a", "text": " "}', "f:1:text: found ' '"),
        (read_queries, "q1\tWhen?", "f:1: not JSON"),
        (read_qrels, "", "f: holds no judgment"),
        (read_qrels, "query_id\tdoc_id\tgrade\n", "f: holds no judgment"),
        (read_qrels, "covid-19\td\thigh\nq1\td\t1", "f:1: the grade is 'high'; expected a whole number"),
        (read_qrels, "query_id\td\thigh\nq1\td\t1", "f:1: the grade is 'high'"),
        (read_qrels, "q1\td\t1\nquery_id\tdoc_id\tgrade", "f:2: the grade is 'grade'"),
        (read_qrels, "q1\td", "f:1: found 2 columns; expected query_id, doc_id, grade"),
        (read_qrels, "q1\td\t1\nq1\te\thigh", "f:2: the grade is 'high'; expected a whole number"),
        (read_qrels, "q1\td\t0.5", "f:1: the grade is '0.5'"),
        (read_qrels, "q1\td\tnan", "f:1: the grade is 'nan'"),
        (read_qrels, "q1\td\t1\nq1\td\t2", "f:2: query 'q1' and document 'd' are judged twice, differently"),
        (read_run, "q1 Q0 d 1 0.5", "f:1: found 5 columns; expected query Q0 document rank score tag"),
        (read_run, "q1 Q0 d 1 best tag", "f:1: the score is 'best'; expected a number"),
        (read_run, "q1 Q0 d 1 nan tag", "f:1: the score is 'nan'"),
        (read_run, "q1 Q0 d 1 2 tag\nq1 Q0 d 2 1 tag", "f:2: document 'd' is ranked twice for query 'q1'"),
    ],
)
def test_a_mistake_is_named_by_file_and_line(tmp_path: Path, read: Callable[[Path], object], text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(write(tmp_path / "f", text))
    assert message in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.tsv: cannot be read \(No such file or directory\)"):
        read_qrels(tmp_path / "none.tsv")


ids = st.text(alphabet="ab %/é\t", min_size=1, max_size=4).map(lambda s: f"i{s}i")
scores = st.floats(-1e3, 1e3, width=32)


@settings(max_examples=60, deadline=None)
@given(
    qrels=st.dictionaries(ids, st.dictionaries(ids, st.integers(0, 3), min_size=1), min_size=1),
    run=st.dictionaries(ids, st.dictionaries(ids, scores, min_size=1), min_size=1),
)
def test_what_is_written_reads_back_with_the_same_measures(
    tmp_path_factory: pytest.TempPathFactory, qrels: dict[str, dict[str, int]], run: dict[str, dict[str, float]]
) -> None:
    folder = tmp_path_factory.mktemp("trec")
    write_qrels(folder / "qrels", qrels)
    write_run(folder / "run", run)
    assert read_qrels(folder / "qrels") == qrels
    assert evaluate_run(qrels, read_run(folder / "run")) == evaluate_run(qrels, run)


def test_a_trec_tool_computes_our_figures_from_our_files_even_with_ties(tmp_path: Path) -> None:
    qrels = {"q1": {"a": 1, "c": 2}, "q2": {"b": 1}}
    run = {"q1": {"a": 0.5, "b": 0.5, "c": 0.5 - 1e-12, "d": 0.5}, "q2": {"a": 1e-40, "b": 0.0, "c": 0.0}}
    write_qrels(tmp_path / "qrels", qrels)
    write_run(tmp_path / "run", run)
    reference = ir_measures.calc_aggregate(
        [ir_measures.parse_measure(name) for name in MEASURES],
        list(ir_measures.read_trec_qrels(str(tmp_path / "qrels"))),
        list(ir_measures.read_trec_run(str(tmp_path / "run"))),
    )
    assert evaluate_run(qrels, run).mean == pytest.approx({str(measure): value for measure, value in reference.items()})


def test_the_real_query_sets_are_read_whole(shared_data: Path) -> None:
    folder = shared_data / "medquad_small"
    plain = read_query_set(folder / "queries.jsonl", folder / "qrels.tsv")
    synonym = read_query_set(folder / "queries.synonym.jsonl", folder / "qrels.synonym.tsv")
    assert (len(plain.queries), sum(map(len, plain.qrels.values()))) == (622, 626 + 2247)
    assert (len(synonym.queries), sum(map(len, synonym.qrels.values()))) == (113, 121)
