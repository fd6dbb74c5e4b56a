"""Documents of several languages, and of an older analyzer, in one knowledge base: asked at once, each in its own terms."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from kb_platform.cli import app, session
from kb_platform.cli.queries import make_retriever
from kb_platform.cli.refreshing import refresh_once
from kb_platform.index import chunk_rows, pipeline
from kb_platform.index.analysis.analyzers import ANALYZERS, BEFORE
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.storage.search import Hit
from kb_platform_tests.flow.steps import refresh_by_steps

ZH, TH = "\u7cd6\u5c3f\u75c5\u60a3\u8005\u6bcf\u5929\u9700\u8981\u76d1\u6d4b\u8840\u7cd6", "\u0e1c\u0e39\u0e49\u0e1b\u0e48\u0e27\u0e22\u0e04\u0e27\u0e23\u0e23\u0e31\u0e1a\u0e1b\u0e23\u0e30\u0e17\u0e32\u0e19\u0e22\u0e32\u0e2b\u0e25\u0e31\u0e07\u0e2d\u0e32\u0e2b\u0e32\u0e23"
TEXTS = {
    "a250": "Amoxicillin 250mg capsules are kept in the second drawer of the cabinet.",
    "a500": "Amoxicillin 500mg capsules are kept in the second drawer of the cabinet.",
    "de": "Die Blutzuckermessung erfolgt vor dem Fr\u00fchst\u00fcck und nach der Mahlzeit. Heparin 4.000 IE werden danach gegeben.",
    "fr": "L'insuline se conserve au r\u00e9frig\u00e9rateur dans la pharmacie du service.",
    **{f"leaf{n}": "The opening hours of the pharmacy are eight to six on weekdays." for n in range(12)},
    "zh": f"{ZH}\u3002", "zh2": "\u9ad8\u8840\u538b\u60a3\u8005\u5e94\u51cf\u5c11\u98df\u76d0\u7684\u6444\u5165\u3002", "th": TH,
}
pytestmark = pytest.mark.random_order(disabled=True)  # the releases of one knowledge base, one after the other


@pytest.fixture(scope="module")
def ward(home: Path) -> KnowledgeBase:
    """Return a knowledge base whose first release was made by the analyzer before this one."""
    folder = home / "defs" / "tongues"
    folder.mkdir()
    (folder / "documents.jsonl").write_text("".join(json.dumps({"doc_id": d, "title": "Note", "text": t}) + "\n" for d, t in TEXTS.items()))
    source = {"name": "notes", "kind": "jsonl", "path": "documents.jsonl"}
    body = {"type": "kb_platform.components.KnowledgeBase",
            "attributes": {"name": "tongues", "start_date": "2026-01-01", "sources": [source], "gate": {"max_churn_share": 1, "max_duplicate_share": 1}}}
    (folder / "defs.yaml").write_text(yaml.safe_dump(body))
    kb = session.knowledge_base("tongues")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunk_rows, "analyzer_for", lambda choice, text: BEFORE)  # noqa: ARG005
        patch.setattr(pipeline, "LEXICAL_VERSION", "tokens-1")
        assert refresh_by_steps(kb, "2026-03-01").promoted
    return kb


def hits(question: str, release: int | None = None) -> list[Hit]:
    retriever, readable = make_retriever(session.knowledge_base("tongues"), "reader", release)
    return retriever.search(question, readable, k=3)


def test_a_release_of_the_analyzer_before_is_asked_in_its_own_terms(ward: KnowledgeBase) -> None:
    retriever, release = make_retriever(ward, "reader", None)
    assert retriever.analyzers(release) == {BEFORE: len(TEXTS)}
    found = hits("amoxicillin capsules in the drawer", 1)
    assert {hit.doc_id for hit in found[:2]} == {"a250", "a500"} and found[0].lexical > 0.5


def test_a_refresh_brings_todays_analyzers_without_a_vector_and_each_document_has_its_own(ward: KnowledgeBase) -> None:
    report = refresh_once(session.knowledge_base(ward.name), "2026-03-02", None, quiet=True)
    assert report["promoted"] and report["vectors"]["computed"] == 0 and report["rows"]["inserted"] == len(TEXTS)
    assert any("cannot read" in warning["reason"] for warning in report["warnings"])
    retriever, release = make_retriever(ward, "reader", None)
    assert retriever.analyzers(release) == {ANALYZERS["english"]: 17, ANALYZERS["german"]: 1, ANALYZERS["french"]: 1}


@pytest.mark.parametrize(("question", "first"), [
    ("amoxicillin 500 mg", "a500"), ("amoxicillin 0.25 g", "a250"), ("Blutzucker", "de"), ("heparin 4000 units", "de"), ("insuline frigo", "fr"), (ZH[-2:], "zh"),
    ("\u0e22\u0e32\u0e2b\u0e25\u0e31\u0e07\u0e2d\u0e32\u0e2b\u0e32\u0e23", "th"),
])
def test_each_document_is_found_in_its_language(ward: KnowledgeBase, question: str, first: str) -> None:
    assert hits(question)[0].doc_id == first
    many, release = make_retriever(ward, "reader", None)
    vectors = many.embedder(release).embed_queries([question] * 2)
    assert [found[0].doc_id for found in many.search_many([question] * 2, vectors, release, k=3)] == [first] * 2


def test_a_question_that_the_model_cannot_read_is_answered_by_words_alone_and_said_to_be(ward: KnowledgeBase) -> None:
    found = hits(ZH[-2:])
    assert {hit.dense for hit in found} == {0.0} and all(hit.lexical > 0 for hit in found)
    shown = CliRunner().invoke(app, ["search", ward.name, ZH[-2:]])
    assert shown.exit_code == 0 and f"cannot read {ZH[-2:]}" in shown.stdout
    assert json.loads(CliRunner().invoke(app, ["search", ward.name, f"dose {ZH[-2:]}", "--json"]).stdout)["unread"] == [ZH[-2:]]
    assert "source notes: the embedding model cannot read" in CliRunner().invoke(app, ["validate", ward.name]).stdout


def test_copies_of_a_text_take_one_place_and_name_each_other(ward: KnowledgeBase) -> None:
    question = "opening hours of the pharmacy"
    shown = CliRunner().invoke(app, ["search", ward.name, question, "-k", "2", "--json"])
    first, second = json.loads(shown.stdout)["hits"]
    assert {first["doc_id"], *(at["doc_id"] for at in first["also_in"])} == {f"leaf{n}" for n in range(12)}
    assert not second["also_in"] and not second["doc_id"].startswith("leaf")
    assert "also in notes/leaf" in CliRunner().invoke(app, ["search", ward.name, question]).stdout


def test_copies_of_a_document_take_one_place_where_documents_are_judged(ward: KnowledgeBase, tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text(json.dumps({"_id": "hours", "text": "opening hours of the pharmacy"}))
    (tmp_path / "qrels.tsv").write_text("hours\tleaf7\t1\nhours\tleaf11\t2\nhours\tfr\t1\n")
    arguments = ["evaluate", ward.name, "--queries", str(tmp_path / "q.jsonl"), "--qrels", str(tmp_path / "qrels.tsv")]
    written = ["--run-out", str(tmp_path / "run"), "--qrels-out", str(tmp_path / "judged"), "--json"]
    shown = json.loads(CliRunner().invoke(app, [*arguments, *written]).stdout)
    assert shown["metrics"]["Success@1"] == 1 and shown["metrics"]["R@10"] == 1
    assert (tmp_path / "run").read_text().count("leaf") == 1
    assert (tmp_path / "judged").read_text().splitlines() == ["hours 0 fr 1", "hours 0 leaf0 2"]


def test_judged_documents_that_are_not_there_are_counted_and_named(ward: KnowledgeBase, tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text(json.dumps({"_id": "q 1", "text": "amoxicillin 500 mg"}))
    (tmp_path / "qrels.txt").write_text("q%201 0 a500 1\nq%201 0 gone 1\nq%201 0 other 0\n")
    arguments = ["evaluate", ward.name, "--queries", str(tmp_path / "q.jsonl"), "--qrels", str(tmp_path / "qrels.txt")]
    shown = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert shown["missing_documents"] == {"count": 1, "first": ["gone"]} and shown["metrics"]["RR@10"] == 1
    assert "judged, but not in the release: 1 document: gone" in CliRunner().invoke(app, arguments).stdout


def test_an_older_release_is_still_asked_as_it_was(ward: KnowledgeBase) -> None:
    assert {hit.doc_id for hit in hits("amoxicillin capsules in the drawer", 1)[:2]} == {"a250", "a500"}


def test_another_analyzer_writes_the_rows_anew_and_computes_no_vector(ward: KnowledgeBase) -> None:
    path = ward.folder / "defs.yaml"
    body = yaml.safe_load(path.read_text())
    body["attributes"]["sources"][0]["analyzer"] = "french"
    path.write_text(yaml.safe_dump(body))
    report = refresh_once(session.knowledge_base(ward.name), "2026-03-03", None, quiet=True)
    assert report["vectors"]["computed"] == 0
    retriever, release = make_retriever(session.knowledge_base(ward.name), "gate", report["release"])
    assert retriever.analyzers(release) == {ANALYZERS["french"]: len(TEXTS)}
