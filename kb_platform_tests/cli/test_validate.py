"""`kb validate` names everything that a refresh would stumble over, each with its file and line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kb_platform.cli import app, session
from kb_platform.knowledge.errors import ConfigError
from kb_platform.settings import Settings

DEFS = """type: kb_platform.components.KnowledgeBase
attributes:
  name: manuals
  start_date: "2026-01-01"
  sources:
    - name: wards
      kind: files
      path: documents
"""
KEYS = "# Keys\n\nThe porter keeps the keys of every ward in the grey cabinet behind the desk.\n"
GOLDEN = "  - {id: %s, question: Who keeps the keys?, expected: [{document: %s, quote: %s}]}\n"
RIGHT = GOLDEN % ("right", "keys.md", "The porter keeps the keys of every ward")


class Base:
    """A knowledge base on disk, and what is said of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.defs, self.goldens = folder / "defs.yaml", folder / "golden" / "golden.yaml"
        (folder / "golden").mkdir(parents=True)
        (folder / "documents").mkdir()
        (folder / "documents" / "keys.md").write_text(KEYS)
        (folder / "documents" / "badges.md").write_text("# Badges\n\nA badge is worn at the height of the chest by everybody.\n")
        self.defs.write_text(DEFS)
        self.ask(RIGHT)

    def ask(self, *goldens: str) -> None:
        self.goldens.write_text("version: 1\ngoldens:\n" + "".join(goldens))

    def validate(self, *options: str) -> tuple[int, list[tuple[str, str, str]]]:
        """Return the exit code and what was found: level, file and line and field, and what is wrong."""
        done = CliRunner().invoke(app, ["validate", "manuals", "--json", *options], catch_exceptions=False)
        said: dict[str, Any] = json.loads(done.stdout)
        found = said["knowledge_bases"]["manuals"]
        assert said["valid"] == found["valid"] == (done.exit_code != 1)
        return done.exit_code, [(f["level"], f["where"].removeprefix(f"{self.folder}/"), f["message"]) for f in found["findings"]]


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Base]:
    with session.use(Settings(home=tmp_path / "home", defs=tmp_path / "defs")):
        yield Base(tmp_path / "defs" / "manuals")
        assert not (tmp_path / "home").exists(), "nothing is started"


def test_what_is_right_is_valid(base: Base) -> None:
    assert base.validate() == (0, [])


def test_every_mistake_in_golden_files_is_named_and_not_the_first_alone(base: Base) -> None:
    base.ask(RIGHT, "  - {id: a, question: '', severity: grave, expected: []}\n", GOLDEN % ("right", "keys.md", "'...'"),
             GOLDEN % ("right", "keys.md", "of every ward in the grey cabinet"))
    (base.goldens.parent / "more.jsonl").write_text('{"id": "b"}\n\nno JSON\n' + json.dumps({"id": "a b", "question": "Q?", "expected": [{"document": "keys.md", "whole": True}], "colour": 1}))
    code, found = base.validate()
    assert code == 1
    assert {level for level, _, _ in found} == {"error"}
    assert [where for _, where, _ in found] == [
        "golden/golden.yaml:4:goldens.1.question", "golden/golden.yaml:4:goldens.1.severity", "golden/golden.yaml:4:goldens.1.expected",
        "golden/golden.yaml:5:goldens.2.expected.0.quote",
        "golden/more.jsonl:1:question", "golden/more.jsonl:1:expected", "golden/more.jsonl:3", "golden/more.jsonl:4:colour",
        "golden/golden.yaml:6:goldens.3.id",
    ]
    assert found[-1][2].startswith("the id 'right' is used twice; expected another id than that at")


def test_quotes_and_documents_that_nobody_delivers_are_named_with_what_is_nearest(base: Base) -> None:
    (base.folder / "documents" / "broken.pdf").write_bytes(b"%PDF-1.4 nothing of a PDF follows")
    base.ask(RIGHT, GOLDEN % ("near", "keys.md", "The porter keeps all keys of every ward in a grey cabinet"), GOLDEN % ("typo", "key.md", "The porter keeps"),
             GOLDEN % ("moved", "badges.md", "The porter keeps the keys of every ward"), GOLDEN % ("broken", "broken.pdf", "Some words of it"),
             GOLDEN % ("none", "keys.md", "xylophone"), "  - {id: source, question: Q?, expected: [{document: keys.md, whole: true, source: nosuch}]}\n")
    code, found = base.validate()
    said = {where.split(":")[2]: (level, message) for level, where, message in found}
    assert code == 1
    assert said["goldens.1.expected.0"][0] == "warning"
    assert said["goldens.1.expected.0"][1].startswith("near: the quote stands nowhere; nearest, keys.md:")
    assert "of its words: 'The porter keeps the keys of every ward in the grey cabinet'" in said["goldens.1.expected.0"][1]
    assert said["goldens.2.expected.0"] == ("warning", "typo: no source delivers a document 'key.md'; the nearest id is 'keys.md'")
    assert said["goldens.3.expected.0"] == ("warning", "moved: the quote is not in 'badges.md'; it stands in keys.md")
    assert said["goldens.4.expected.0"][1].startswith("broken: the document 'broken.pdf' cannot be used: ")
    assert said["goldens.5.expected.0"] == ("warning", "none: the quote stands nowhere, and no word of it in 'keys.md'")
    assert ("error", "source: no source 'nosuch'; expected one of wards") in [(level, message) for level, _, message in found]
    assert found[0][1] == "golden/golden.yaml:9:goldens.6.expected.0"
    assert all(where.startswith(f"golden/golden.yaml:{n}:") for n, (_, where, _) in zip((4, 5, 6, 7, 8, 9), found[1:], strict=True))


def test_a_source_that_is_not_there_is_an_error_at_its_line_and_one_without_documents_a_warning(base: Base) -> None:
    base.defs.write_text(DEFS.replace("path: documents", "path: nosuch") + "    - {name: empty, kind: files, path: golden}\n    - {name: lines, kind: jsonl, path: golden}\n")
    code, found = base.validate()
    assert (code, [(level, where) for level, where, _ in found]) == (1, [
        ("error", "defs.yaml:8: sources.0.path"), ("warning", "defs.yaml:9: sources.1.path"), ("error", "defs.yaml:10: sources.2.path")])
    assert "no such folder" in found[0][2] and "no document in it can be used" in found[1][2] and "no such file" in found[2][2]
    assert base.validate("--without-sources") == (0, [])


def test_what_the_model_cannot_read_is_told_of_every_source_beside_one_that_is_not_there(base: Base) -> None:
    (base.folder / "notes").mkdir()
    (base.folder / "notes" / "zh.md").write_text("\u7cd6\u5c3f\u75c5\u60a3\u8005\u6bcf\u5929\u9700\u8981\u76d1\u6d4b\u8840\u7cd6\n")
    base.defs.write_text(DEFS.replace("path: documents", "path: nosuch") + "    - {name: notes, kind: files, path: notes}\n")
    base.ask("  - {id: zh, question: \u8840\u7cd6, expected: [{document: zh.md, whole: true}]}\n")
    code, found = base.validate()
    assert (code, [(level, where) for level, where, _ in found]) == (1, [
        ("error", "defs.yaml:8: sources.0.path"), ("warning", "defs.yaml:2: embedding"), ("warning", "defs.yaml:2: embedding")])
    assert found[1][2].startswith("source notes: the embedding model cannot read ") and found[1][2].endswith("in 1 of 1 documents that were looked at")
    assert found[2][2].startswith("the embedding model cannot read 1 of the golden queries, the first is ")


def test_a_folder_that_may_not_be_read_is_found(base: Base) -> None:
    (base.folder / "documents").chmod(0)
    try:
        code, found = base.validate()
    finally:
        (base.folder / "documents").chmod(0o755)
    if code == 0:
        pytest.skip("this account may read everything")
    assert (code, found[0][:2]) == (1, ("error", "defs.yaml:8: sources.0.path"))
    assert "cannot be listed (Permission denied)" in found[0][2]


def test_mistakes_of_defs_yaml_are_named_one_by_one_with_those_of_the_goldens(base: Base) -> None:
    base.defs.write_text(DEFS + '  schedule: {cron: "61 * * * *"}\n  owners: [bob]\n  colour: red\n')
    base.ask("  - {id: a}\n")
    code, found = base.validate()
    assert code == 1
    assert [where for _, where, _ in found] == ["defs.yaml:10: owners", "defs.yaml:9: schedule.cron", "defs.yaml:11: colour", "golden/golden.yaml:3:goldens.0.question", "golden/golden.yaml:3:goldens.0.expected"]
    assert found[2][2] == "unknown field"


@pytest.mark.parametrize(("written", "where", "said"), [
    ('  start_date: "3000-01-01"\n', "defs.yaml:4: start_date", "has not begun"),
    ("  gate: {floors: {nosuch: 0.5, neither: 0.5}}\n", "defs.yaml:9: gate.floors.nosuch", "no golden is in this slice"),
    ("  gate: {judge: {}}\n", "defs.yaml:9: gate", "answer_quality: nothing will be judged, as no judge is configured: KB_JUDGE_URL is not set"),
    ("  embedding: {model: 'endpoint:e5', dimension: 8}\n", "defs.yaml:9: embedding.model", "KB_EMBEDDER_URL is not set"),
])
def test_what_would_stop_a_run_before_it_reads_anything_is_found(base: Base, written: str, where: str, said: str) -> None:
    base.defs.write_text(DEFS.replace('  start_date: "2026-01-01"\n', written) if "start_date" in written else DEFS + written)
    _, found = base.validate()
    assert [f for f in found if f[1] == where and said in f[2]], found


@pytest.mark.parametrize(("written", "where", "said"), [
    ('  schedule: "0 2 * * *"\n', "defs.yaml:9: schedule", "found '0 2 * * *'; expected keys and values"),
    ("  alerts: [a]\n", "defs.yaml:9: alerts", "found ['a']; expected keys and values"),
    ("  owners: a@example.org\n", "defs.yaml:9: owners", "found 'a@example.org'; expected a list"),
])
def test_a_value_of_another_shape_is_told_in_words_and_not_by_our_classes(base: Base, written: str, where: str, said: str) -> None:
    base.defs.write_text(DEFS + written)
    assert base.validate() == (1, [("error", where, said)])


def test_a_path_that_is_an_address_is_called_one(base: Base) -> None:
    base.defs.write_text(DEFS.replace("path: documents", "path: s3://bucket/documents"))
    assert base.validate() == (1, [("error", "defs.yaml:8: sources.0.path",
                                    "found the address 's3://bucket/documents'; expected a folder or file of this machine: mount or copy it")])


def test_a_channel_without_its_secret_is_named_once_at_its_line(base: Base) -> None:
    base.defs.write_text(DEFS + "  alerts:\n    overdue_hours: 3\n    webhook: KB_ALERT_NOBODY\n")
    assert base.validate() == (5, [("warning", "defs.yaml:11: alerts.webhook", "KB_ALERT_NOBODY is not set; expected the webhook's address")])


@pytest.mark.parametrize(("wrong", "unseen"), [
    (DEFS + "  colour: red\n", "; sources and quotes are looked at once defs.yaml can be read"),
    (DEFS.replace("documents", "nowhere"), "; quotes are looked for once every source can be read"),
])
def test_what_could_not_be_looked_at_is_said(base: Base, wrong: str, unseen: str) -> None:
    base.defs.write_text(wrong)
    done = CliRunner().invoke(app, ["validate"], catch_exceptions=False)
    assert done.stdout.endswith(f"manuals: 1 error, 0 warnings{unseen}\n")
    without = CliRunner().invoke(app, ["validate", "--without-sources"], catch_exceptions=False)
    assert unseen not in without.stdout


def test_both_floors_without_a_golden_are_named(base: Base) -> None:
    base.defs.write_text(DEFS + "  gate: {floors: {nosuch: 0.5, neither: 0.5}}\n")
    assert [where for _, where, _ in base.validate()[1]] == ["defs.yaml:9: gate.floors.nosuch", "defs.yaml:9: gate.floors.neither"]


def test_an_object_store_that_cannot_be_opened_is_found(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KB_OBJECT_STORE", "nosuch://bucket")
    code, found = base.validate()
    assert (code, found[0][:2]) == (1, ("error", "KB_OBJECT_STORE"))
    assert "cannot be used" in found[0][2]


def test_for_people_each_finding_is_a_line_and_warnings_have_an_exit_code_of_their_own(base: Base) -> None:
    base.ask(GOLDEN % ("typo", "key.md", "The porter keeps"))
    done = CliRunner().invoke(app, ["validate"], catch_exceptions=False)
    assert done.exit_code == 5
    assert done.stdout == (f"warning: {base.goldens}:3:goldens.0.expected.0: typo: no source delivers a document 'key.md'; the nearest id is 'keys.md'\n"
                           "manuals: valid, 1 source, 1 golden query, 1 warning\n")


def test_a_name_that_is_none_is_refused(base: Base) -> None:
    with pytest.raises(ConfigError, match="no knowledge base 'nosuch'; expected one of manuals"):
        CliRunner().invoke(app, ["validate", "nosuch"], catch_exceptions=False)
