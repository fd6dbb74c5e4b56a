"""368 real pages with judged questions: what search reaches, and what a small change costs. docs/evaluate.md has the figures.

One knowledge base for all tests, embedded once; releases are kept, so a test may measure one that is no longer live. `make test` takes
every fourth page and the questions whose judged pages are all among them: a smaller corpus is easier, so its floors are higher.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from kb_platform.cli import session
from kb_platform.cli.evaluating import evaluate
from kb_platform.cli.queries import make_retriever
from kb_platform.cli.refreshing import refresh_once
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.storage.releases import discard, get_release, live_release, promote

DAYS = ("2026-03-01", "2026-03-02", "2026-03-03")
EVERY_ROW = "select '{table}', ctid::text, xmin::text from {table}"
NDCG = Callable[..., float]
pytestmark = pytest.mark.random_order(disabled=True)  # the days of one knowledge base, one after the other


@dataclass(frozen=True)
class Floors:
    """What nDCG@10 must reach: by keywords, with the words of lay people, by words alone, and once synonyms are searchable."""

    every: int
    keywords: float
    lay: float
    words: float
    lay_words: float
    declared: float
    declared_words: float


PART = Floors(4, 0.96, 0.70, 0.94, 0.68, 0.95, 0.92)
WHOLE = Floors(1, 0.965, 0.62, 0.940 - 0.02, 0.509 - 0.02, 0.90, 0.882 - 0.02)
"""By words alone it is as good as BM25 over whole pages, whose figures these are."""


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


@pytest.fixture(scope="module", params=[pytest.param(PART, id="part"), pytest.param(WHOLE, id="whole", marks=pytest.mark.endurance)])
def floors(request: pytest.FixtureRequest) -> Floors:
    return request.param


@pytest.fixture(scope="module")
def corpus(shared_data: Path, floors: Floors, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the pages, and the questions about nothing else."""
    whole, part = shared_data / "medquad_small", tmp_path_factory.mktemp("medquad")
    pages = (whole / "documents.jsonl").read_text().splitlines()[:: floors.every]
    (part / "documents.jsonl").write_text("".join(f"{page}\n" for page in pages))
    there = {json.loads(page)["doc_id"] for page in pages}
    for kind in ("", ".synonym"):
        head, *judged = (whole / f"qrels{kind}.tsv").read_text().splitlines()
        missing = {query for query, page, _ in (line.split("\t") for line in judged) if page not in there}
        kept = [line for line in judged if line.split("\t")[0] not in missing]
        asked = {line.split("\t")[0] for line in kept}
        queries = [line for line in (whole / f"queries{kind}.jsonl").read_text().splitlines() if json.loads(line)["query_id"] in asked]
        (part / f"qrels{kind}.tsv").write_text("\n".join([head, *kept, ""]))
        (part / f"queries{kind}.jsonl").write_text("\n".join([*queries, ""]))
    return part


@pytest.fixture(scope="module")
def medquad(home: Path, corpus: Path, floors: Floors) -> Iterator[KnowledgeBase]:
    name = f"medquad{floors.every}"
    folder = home / "defs" / name
    folder.mkdir()
    shutil.copy(corpus / "documents.jsonl", folder)
    source = {"name": "pages", "kind": "jsonl", "path": "documents.jsonl"}
    attributes = {"name": name, "start_date": "2026-01-01", "sources": [source]}
    body = {"type": "kb_platform.components.KnowledgeBase", "attributes": attributes}
    (folder / "defs.yaml").write_text(yaml.safe_dump(body))
    kb = session.knowledge_base(name)
    assert refresh(kb, DAYS[0])["documents"]["new"] == 368 // floors.every
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


def test_search_reaches_what_the_documentation_says(ndcg: NDCG, floors: Floors) -> None:
    assert ndcg("", 1) >= floors.keywords
    assert ndcg(".synonym", 1) >= floors.lay
    assert ndcg("", 1, dense_weight=0) >= floors.words
    assert ndcg(".synonym", 1, dense_weight=0) >= floors.lay_words


def test_a_refresh_with_nothing_changed_writes_no_row_in_any_table(medquad: KnowledgeBase) -> None:
    before = every_row(medquad)
    assert len(before) > 3 * rows(medquad, "select count(*) from chunk")[0][0] > 3 * 368 // 4
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


def test_an_edited_sentence_costs_three_vectors_at_most_and_a_day_run_again_has_its_digest(medquad: KnowledgeBase, floors: Floors) -> None:
    doc_id, sentence = edit_a_sentence(medquad)
    others = [f"select id, xmin::text, ctid::text, valid_from, valid_to from {table} where doc_id <> '{doc_id}' order by id"
              for table in ("chunk", "document_version")]
    before = [rows(medquad, statement) for statement in others]
    report = refresh(medquad, DAYS[1])
    assert report["documents"] == {"new": 0, "changed": 1, "unchanged": 368 // floors.every - 1, "deleted": 0, "failed": 0, "unreadable": 0}
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


def test_declaring_synonyms_searchable_computes_no_vector_and_finds_them(medquad: KnowledgeBase, ndcg: NDCG, floors: Floors) -> None:
    path = medquad.folder / "defs.yaml"
    body = yaml.safe_load(path.read_text())
    body["attributes"]["sources"][0]["searchable"] = ["synonyms"]
    path.write_text(yaml.safe_dump(body))
    before = live_release(session.store(medquad.name).database)
    report = refresh(medquad, DAYS[2])
    assert report["release"] != before
    assert report["vectors"]["computed"] == 0
    assert ndcg(".synonym", report["release"]) >= floors.declared
    assert ndcg(".synonym", report["release"], dense_weight=0) >= floors.declared_words
    assert ndcg("", report["release"]) >= floors.keywords
