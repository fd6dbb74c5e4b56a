"""368 real pages with judged questions: what search reaches, and what a small change costs. docs/evaluate.md has the figures.

One knowledge base for all tests, embedded once; releases are kept, so a test may measure one that is no longer live.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kb_platform.cli import session
from kb_platform.cli.queries import evaluate, make_retriever
from kb_platform.cli.refreshing import refresh_once
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.storage.releases import discard, get_release, live_release, promote

DAYS = ("2026-03-01", "2026-03-02", "2026-03-03")
EVERY_ROW = "select '{table}', ctid::text, xmin::text from {table}"
NDCG = Callable[..., float]


def refresh(kb: KnowledgeBase, day: str) -> dict[str, Any]:
    report = refresh_once(session.knowledge_base(kb.name), day, None, quiet=True)
    assert report["promoted"], report
    return report


def rows(kb: KnowledgeBase, statement: str) -> list[tuple]:
    with session.store(kb.name).database.transaction("owner") as c:
        return c.execute(statement).fetchall()


def every_row(kb: KnowledgeBase) -> set[tuple]:
    """Return where each row of each table lies and which transaction wrote it: any insert, update or delete shows."""
    tables = rows(kb, f"select format('%I.%I', schemaname, tablename) from pg_tables where schemaname = 'kb_{kb.name}'")
    return set(rows(kb, " union all ".join(EVERY_ROW.format(table=table) for (table,) in tables)))


@pytest.fixture(scope="module")
def corpus(shared_data: Path) -> Path:
    return shared_data / "medquad_small"


@pytest.fixture(scope="module")
def medquad(home: Path, corpus: Path) -> Iterator[KnowledgeBase]:
    folder = home / "defs" / "medquad"
    folder.mkdir()
    shutil.copy(corpus / "documents.jsonl", folder)
    source = {"name": "pages", "kind": "jsonl", "path": "documents.jsonl"}
    attributes = {"name": "medquad", "start_date": "2026-01-01", "sources": [source]}
    body = {"type": "kb_platform.components.KnowledgeBase", "attributes": attributes}
    (folder / "defs.yaml").write_text(yaml.safe_dump(body))
    kb = session.knowledge_base("medquad")
    assert refresh(kb, DAYS[0])["documents"]["new"] == 368
    yield kb
    shutil.rmtree(folder)


@pytest.fixture
def ndcg(medquad: KnowledgeBase, corpus: Path, capsys: pytest.CaptureFixture[str]) -> NDCG:
    def measure(questions: str, release: int, **options: float) -> float:
        capsys.readouterr()
        files = (corpus / f"queries{questions}.jsonl", corpus / f"qrels{questions}.tsv")
        evaluate(medquad.name, release, *files, as_json=True, **options)
        return json.loads(capsys.readouterr().out)["metrics"]["nDCG@10"]

    return measure


def test_search_reaches_what_the_documentation_says(ndcg: NDCG) -> None:
    assert ndcg("", 1) >= 0.965
    assert ndcg(".synonym", 1) >= 0.62
    assert ndcg("", 1, dense_weight=0) >= 0.940 - 0.02, "words alone are as good as BM25 over whole pages"
    assert ndcg(".synonym", 1, dense_weight=0) >= 0.509 - 0.02


def test_a_refresh_with_nothing_changed_writes_no_row_in_any_table(medquad: KnowledgeBase) -> None:
    before = every_row(medquad)
    assert len(before) > 3 * 3645
    report = refresh(medquad, DAYS[0])
    assert (report["vectors"], report["rows"]) == ({"computed": 0, "reused": 0, "left": 0}, {"inserted": 0, "closed": 0})
    assert every_row(medquad) == before


def edit_a_sentence(kb: KnowledgeBase) -> tuple[str, str]:
    """Rewrite one sentence in the middle of the longest document; return the document's id and what it says now."""
    path = kb.folder / "documents.jsonl"
    documents = [json.loads(line) for line in path.read_text().splitlines()]
    longest = max(documents, key=lambda d: len(d["text"]))
    sentences = longest["text"].split(". ")
    sentences[len(sentences) // 2] = "Call extension 4410 before the infusion is begun on ward seven"
    longest["text"] = ". ".join(sentences)
    path.write_text("".join(json.dumps(d) + "\n" for d in documents))
    return longest["doc_id"], sentences[len(sentences) // 2]


def test_an_edited_sentence_costs_three_vectors_at_most_and_a_day_run_again_has_its_digest(medquad: KnowledgeBase) -> None:
    doc_id, sentence = edit_a_sentence(medquad)
    others = [f"select id, xmin::text, ctid::text, valid_from, valid_to from {table} where doc_id <> '{doc_id}' order by id"
              for table in ("chunk", "document_version")]
    before = [rows(medquad, statement) for statement in others]
    report = refresh(medquad, DAYS[1])
    assert report["documents"] == {"new": 0, "changed": 1, "unchanged": 367, "deleted": 0, "failed": 0, "unreadable": 0}
    assert 1 <= report["vectors"]["computed"] <= 3
    assert [rows(medquad, statement) for statement in others] == before
    retriever, live = make_retriever(medquad, "reader", None)
    assert sentence in retriever.search(sentence, live, k=1)[0].content

    database = session.store(medquad.name).database
    digest = get_release(database, live).content_digest
    promote(database, live - 1)
    discard(database, live)
    again = refresh(medquad, DAYS[1])
    assert (again["release"], again["vectors"]["computed"]) == (live + 1, 0)
    assert get_release(database, live + 1).content_digest == digest


def test_declaring_synonyms_searchable_computes_no_vector_and_finds_them(medquad: KnowledgeBase, ndcg: NDCG) -> None:
    path = medquad.folder / "defs.yaml"
    body = yaml.safe_load(path.read_text())
    body["attributes"]["sources"][0]["searchable"] = ["synonyms"]
    path.write_text(yaml.safe_dump(body))
    before = live_release(session.store(medquad.name).database)
    report = refresh(medquad, DAYS[2])
    assert report["release"] != before
    assert report["vectors"]["computed"] == 0
    assert ndcg(".synonym", report["release"]) >= 0.90
    assert ndcg(".synonym", report["release"], dense_weight=0) >= 0.882 - 0.02
    assert ndcg("", report["release"]) >= 0.965
