"""The golden set beside real releases: its commands, many questions at once, wrong files, and what is shown of a loss."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from kb_platform.cli import app, session
from kb_platform.cli.queries import make_retriever
from kb_platform.cli.refreshing import exit_code, refresh_once, show_report
from kb_platform.knowledge.errors import KbError
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.storage.releases import live_release
from kb_platform_tests.flow.steps import refresh_by_steps

pytestmark = pytest.mark.random_order(disabled=True)  # goldens and days of one knowledge base, one after the other
NAME = "wards"
FRIDGE = "Vaccines must be kept between two and eight degrees in the pharmacy fridge."
QUESTION = "How cold must vaccines be kept?"
PAGES = {
    "fridge.md": f"# Fridge\n\n{FRIDGE}\n", "visits.md": "# Visits\n\nVisitors are welcome on the ward from two in the afternoon until seven.\n",
    "badges.md": "# Badges\n\nA staff badge is valid for two years and is renewed at the porters' lodge.\n",
}  # fmt: skip
GOLDENS = "# Kept by the pharmacy.\nversion: 1\ngoldens: []\n"


@pytest.fixture(scope="module")
def wards(home: Path) -> Iterator[KnowledgeBase]:
    folder = home / "defs" / NAME
    (folder / "documents").mkdir(parents=True)
    (folder / "golden").mkdir()
    for name, text in PAGES.items():
        (folder / "documents" / name).write_text(text)
    (folder / "golden" / "golden.yaml").write_text(GOLDENS)
    attributes = {"name": NAME, "start_date": "2026-01-01", "sources": [{"name": "docs", "kind": "files", "path": "documents"}],
                  "gate": {"floors": {"all": 0.9}}}  # fmt: skip
    (folder / "defs.yaml").write_text(yaml.safe_dump({"type": "kb_platform.components.KnowledgeBase", "attributes": attributes}))
    kb = session.knowledge_base(NAME)
    assert refresh_by_steps(kb, "2026-03-01").promoted
    yield kb
    shutil.rmtree(folder)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> object:
    def command(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        try:
            code = app(["golden", arguments[0], NAME, *arguments[1:]], standalone_mode=False)
        except KbError as error:
            assert "\n" not in str(error)
            return 1, str(error)
        return code or 0, capsys.readouterr().out

    return command


def test_a_golden_is_added_listed_checked_exported_and_imported(wards: KnowledgeBase, run: object, tmp_path: Path) -> None:
    asked = ("add", "--question", QUESTION, "--document", "fridge.md", "--slice", "lookup", "--critical")
    code, refused = run(*asked, "--quote", "Vaccines must be kept between two and nine degrees in the fridge.")
    assert code == 1
    assert "the quote does not stand in 'fridge.md' of release 1; expected words as they stand there; changed at fridge.md:" in refused
    nowhere = ("add", "--question", QUESTION, "--document", "cellar.md", "--quote", FRIDGE)
    assert run(*nowhere) == (1, "wards: there is no document 'cellar.md' in release 1; expected an id as `kb search` shows it")
    assert run(*asked, "--quote", FRIDGE)[0] == 0
    assert run(*asked, "--quote", FRIDGE) == (1, "wards-002: asks the same as wards-001: it counts twice; expected a question that no golden asks yet")
    assert (wards.folder / "golden" / "golden.yaml").read_text().startswith("# Kept by the pharmacy.\nversion: 1\ngoldens:\n  - id: wards-001\n")

    listed = json.loads(run("list", "--json")[1])
    assert [(g["id"], g["severity"], g["slices"], g["state"]) for g in listed["goldens"]] == [("wards-001", "critical", ["lookup"], "present")]
    assert listed["release"] == 1
    assert len(json.loads(run("list", "--slice", "lookup", "--json")[1])["goldens"]) == 1
    assert run("list", "--slice", "numbers") == (1, "--slice 'numbers'; expected one of lookup")
    assert run("check")[0] == 0

    assert run("export", "--to", str(tmp_path), "--format", "beir")[0] == 0
    files = ("--queries", str(tmp_path / "queries.jsonl"), "--qrels", str(tmp_path / "qrels" / "test.tsv"))
    assert "the id 'wards-001' is used at" in run("import", *files)[1]
    (tmp_path / "queries.jsonl").write_text('{"_id": "q1", "text": "how cold must vaccines be kept"}\n{"_id": "q2", "text": "Where is it?"}\n')
    (tmp_path / "qrels" / "test.tsv").write_text("q1\tfridge.md\t1\nq2\tnosuch.md\t1\n")
    assert run("import", *files)[0] == 0
    code, found = run("check", "--json")
    assert code == 5
    path = wards.folder / "golden" / "queries.jsonl"
    assert [(w["golden"], w["code"], w["where"]) for w in json.loads(found)["warnings"]] == [
        ("q2", "stale", f"{path}:2:id"), ("wards-001", "duplicate", f"{wards.folder / 'golden' / 'golden.yaml'}:4:goldens.0.id"),
    ]  # fmt: skip
    path.unlink()

    assert run("export", "--to", str(tmp_path), "--format", "deepeval")[0] == 0
    (wards.folder / "golden" / "golden.yaml").rename(tmp_path / "kept.yaml")
    assert run("import", "--deepeval", str(tmp_path / "goldens.json"))[0] == 0
    again = json.loads(run("list", "--json")[1])
    assert (again["golden_hash"], again["goldens"]) == (listed["golden_hash"], listed["goldens"])
    (wards.folder / "golden" / "goldens.jsonl").unlink()
    (tmp_path / "kept.yaml").rename(wards.folder / "golden" / "golden.yaml")
    assert run("import", "--deepeval", str(tmp_path / "goldens.json"), *files)[1].startswith("there is no set to import, or more than one")


@pytest.mark.parametrize("file", ["../beside.yaml", "more/../../beside.jsonl", ".hidden.jsonl", "golden.txt", "{tmp_path}/elsewhere.jsonl"])
def test_nothing_is_written_where_no_golden_is_read(wards: KnowledgeBase, run: object, tmp_path: Path, file: str) -> None:
    file = file.format(tmp_path=tmp_path)
    (tmp_path / "goldens.json").write_text(json.dumps([{"input": "Who has badges?", "context": ["A staff badge"], "source_file": "badges.md"}]))
    for asked in (["add", "--question", "Who has badges?", "--document", "badges.md", "--quote", "A staff badge"], ["import", "--deepeval", str(tmp_path / "goldens.json")]):
        endings = ".jsonl" if asked[0] == "import" else ".jsonl, .yaml, .yml"
        assert run(*asked, "--file", file) == (1, f"--file {file}; expected a file in the golden folder that ends in {endings}")
    assert not [path for path in (*tmp_path.iterdir(), *wards.folder.iterdir()) if path.stem in ("beside", "elsewhere")]


def test_a_set_without_a_golden_is_not_imported(wards: KnowledgeBase, run: object, tmp_path: Path) -> None:
    (tmp_path / "none.json").write_text("[]")
    assert run("import", "--deepeval", str(tmp_path / "none.json")) == (1, f"{tmp_path}/none.json: holds no golden; expected a list of goldens")
    assert not (wards.folder / "golden" / "none.jsonl").exists()


def test_many_questions_at_once_find_what_each_finds_alone(wards: KnowledgeBase) -> None:
    retriever, live = make_retriever(wards, "gate", 1)
    questions = [QUESTION, "When may visitors come?", "the of and", "xyzzy", "badge " * 400] * 60
    vectors = retriever.embedder(live).embed_queries(questions)
    together = list(retriever.search_many(questions, vectors, live, k=3))
    assert len(together) == 300
    alone = [retriever.search(question, live, k=3) for question in questions[:5]]
    for place, hits in enumerate(together):
        expected = alone[place % 5]
        assert [hit.chunk_id for hit in hits] == [hit.chunk_id for hit in expected]
        assert [hit.score for hit in hits] == pytest.approx([hit.score for hit in expected], abs=2e-3)
    assert list(retriever.search_many([], vectors[:0], live)) == []


def test_a_check_names_every_mistake_of_every_file_and_what_the_others_lack(wards: KnowledgeBase, run: object) -> None:
    folder = wards.folder / "golden"
    (folder / "a.yaml").write_text("version: 1\ngoldens:\n  - {id: wards-001, question: '', severity: grave, expected: []}\n")
    (folder / "b.jsonl").write_text('no JSON\n{"id": "gone", "question": "Q?", "expected": [{"document": "nosuch.md", "whole": true}]}\n{"id": "x"}\n')
    (folder / "c.yaml").write_text("version: 1\ngoldens: [\n")
    try:
        code, text = run("check")
        assert code == 1
        assert [line.removeprefix(f"error: {folder}/").split(": ")[0] for line in text.splitlines() if line.startswith("error: ")] == [
            "a.yaml:3:goldens.0.question", "a.yaml:3:goldens.0.severity", "a.yaml:3:goldens.0.expected",
            "b.jsonl:1", "b.jsonl:3:question", "b.jsonl:3:expected", "c.yaml:3",
        ]  # fmt: skip
        assert f"{folder}/b.jsonl:2:id: gone is stale" in text
        code, said = run("check", "--json")
        found = json.loads(said)
        assert (code, len(found["errors"]), found["golden_hash"]) == (1, 7, None)
        assert [w["golden"] for w in found["warnings"]] == ["gone"]
    finally:
        for name in ("a.yaml", "b.jsonl", "c.yaml"):
            (folder / name).unlink()
    assert run("check")[0] == 0


def test_a_wrong_golden_file_stops_validation_and_refresh_with_the_same_line(
    wards: KnowledgeBase, capsys: pytest.CaptureFixture[str]
) -> None:
    path = wards.folder / "golden" / "golden.yaml"
    good = path.read_text()
    path.write_text(good.replace("severity: critical", "severity: grave"))
    line = f"{path}:8:goldens.0.severity: found 'grave'; expected 'normal' or 'critical'"
    assert app(["validate", NAME], standalone_mode=False) == 1
    assert line in capsys.readouterr().out
    (wards.folder / "documents" / "new.md").write_text("# New\n\nThe lift of the west wing is out of order on Mondays.\n")
    report = refresh_once(wards, "2026-03-02", None, quiet=True)
    assert exit_code(report) == 1
    assert any(line in message for message in report["errors"].values()), report["errors"]
    assert live_release(session.store(NAME).database) == 1
    path.write_text(good)


def test_a_loss_is_shown_with_what_both_releases_found(wards: KnowledgeBase, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(12):
        text = f"# How cold must vaccines be kept {number}\n\nHow cold must vaccines be kept? Note {number}: ask somebody else.\n"
        (wards.folder / "documents" / f"noise-{number}.md").write_text(text)
    report = refresh_once(wards, "2026-03-03", None, quiet=True)
    said = report["gates"]["golden_retrieval"]
    assert (exit_code(report), said["verdict"], said["worse_count"]) == (3, "regression", 1)
    (change,) = said["worse"]
    live, candidate = change["results"]["live"], change["results"]["candidate"]
    assert (change["query"], live[0]["doc_id"], live[0]["words"][-46:]) == ("wards-001", "fridge.md", FRIDGE[-46:])
    assert len(candidate) == 5
    assert "fridge.md" not in {hit["doc_id"] for hit in candidate}
    capsys.readouterr()
    show_report(report)
    shown = " ".join(capsys.readouterr().out.split())
    assert QUESTION in shown
    assert "fridge.md" in shown
    assert "noise-" in shown
