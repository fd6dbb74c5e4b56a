"""`kb new` and `kb validate`: what they write can be refreshed, and what is wrong leaves nothing behind."""

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kb_platform.cli import app, session
from kb_platform.knowledge.errors import ConfigError, StateError
from kb_platform.settings import Settings


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "manuals").mkdir()
    (tmp_path / "manuals" / "keys.md").write_text("# Keys\n\nAsk the porter: he keeps them.\n")
    with session.use(Settings(home=tmp_path / "home", defs=tmp_path / "defs")):
        yield tmp_path


def kb(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_new_knowledge_base_is_valid_and_its_days_begin_today(folder: Path) -> None:
    before = dt.datetime.now(dt.UTC).date()
    kb("new", "manuals", "--from", str(folder / "manuals"))
    assert session.knowledge_base("manuals").start_date in {before, dt.datetime.now(dt.UTC).date()}
    assert "manuals: valid, 1 source" in kb("validate")


def test_earlier_days_can_be_asked_for(folder: Path) -> None:
    kb("new", "manuals", "--from", str(folder / "manuals"), "--start-date", "2026-02-03")
    assert session.knowledge_base("manuals").start_date == dt.date(2026, 2, 3)


@pytest.mark.parametrize(("option", "value", "expected"), [
    ("--kind", "pdf", "one of files, jsonl"), ("--start-date", "2026-99-99", "YYYY-MM-DD"), ("--start-date", "3000-01-01", "or earlier"),
])
def test_a_wrong_option_says_what_is_expected_and_writes_nothing(folder: Path, option: str, value: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        kb("new", "manuals", "--from", str(folder / "manuals"), option, value)
    assert not (folder / "defs").exists()


def test_an_unknown_name_is_not_answered_with_one_of_none(folder: Path) -> None:
    assert f"no knowledge bases in {folder / 'defs'}" in kb("validate")
    with pytest.raises(ConfigError) as refused:
        session.knowledge_base("manuals")
    assert str(refused.value) == f"{folder / 'defs'}: no knowledge base 'manuals'; create it with `kb new manuals --from PATH`, or set KB_DEFS"


def test_an_empty_question_is_refused_before_anything_is_started(folder: Path) -> None:
    kb("new", "manuals", "--from", str(folder / "manuals"))
    with pytest.raises(ConfigError, match="the question is empty"):
        kb("search", "manuals", "  ")
    assert not (folder / "home").exists()


@pytest.mark.parametrize(("written", "said"), [
    ("search: {dense_wight: 1}", r"defs.yaml:\d+: search: unknown: dense_wight; expected one of dense_weight, depth, lookup_rows"),
    ("search: {dense_weight: 7}", r"defs.yaml:\d+: search: dense_weight is 7.0; expected a number from 0 to 1"),
    ('schedule: {cron: "61 * * * *"}', r"defs.yaml:\d+: schedule.cron: found '61 \* \* \* \*'; expected five fields of cron"),
    ("owners: [bob]", r"defs.yaml:\d+: owners: found 'bob'; expected an e-mail address or team:name"),
    ("description: caf\xe9", r"defs.yaml:\d+: byte 0xe9 is not UTF-8"),
])
def test_a_mistake_that_would_fail_later_is_found_with_its_line(folder: Path, written: str, said: str) -> None:
    kb("new", "manuals", "--from", str(folder / "manuals"))
    path = folder / "defs" / "manuals" / "defs.yaml"
    path.write_text(path.read_text().replace("  description: manuals, read from manuals\n", "").replace("  gate:", f"  {written}\n  gate:"), "latin-1")
    with pytest.raises(ConfigError, match=said):
        session.knowledge_base("manuals")


def test_two_sources_of_one_name_are_refused(folder: Path) -> None:
    kb("new", "manuals", "--from", str(folder / "manuals"))
    path = folder / "defs" / "manuals" / "defs.yaml"
    source = f'    - {{name: documents, kind: files, path: "{folder}"}}\n'
    path.write_text(path.read_text().replace("  sources:\n", "  sources:\n" + source))
    with pytest.raises(ConfigError, match="sources: documents: used twice"):
        session.knowledge_base("manuals")


def test_a_copied_folder_that_keeps_the_name_is_refused(folder: Path) -> None:
    kb("new", "manuals", "--from", str(folder / "manuals"))
    (folder / "defs" / "manuals").rename(folder / "defs" / "copy")
    with pytest.raises(ConfigError, match=r"defs.yaml:\d+: name: found 'manuals'; expected 'copy'"):
        session.knowledge_base("copy")


GOLDENS = """version: 1
goldens:
  - {id: g1, question: Who keeps the keys?, slices: [keys], expected: [{document: keys.md, quote: the porter}]}
"""


def edit(folder: Path, before: str, after: str) -> None:
    path = folder / "defs" / "manuals" / "defs.yaml"
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))


def test_a_floor_on_a_slice_without_goldens_is_refused_with_its_line(folder: Path) -> None:
    kb("new", "manuals", "--from", str(folder / "manuals"))
    edit(folder, "floors: {}", "floors: {all: 0.5, keys: 0.5, nosuchslice: 0.5}")
    assert "no golden queries yet" in kb("validate")
    (folder / "defs" / "manuals" / "golden" / "golden.yaml").write_text(GOLDENS)
    refused = CliRunner().invoke(app, ["validate"])
    assert refused.exit_code == 1
    assert re.search(r"defs.yaml:\d+: gate.floors.nosuchslice: no golden is in this slice.*expected one of all, keys", refused.stdout)
    edit(folder, ", nosuchslice: 0.5", "")
    assert "manuals: valid, 1 source, 1 golden query\n" in kb("validate")
    edit(folder, "keys: 0.5", "critical: 0.5")
    assert "gate.floors.critical: no golden is in this slice" in CliRunner().invoke(app, ["validate"]).stdout


@pytest.mark.parametrize(("written", "said"), [
    ("{encoder: bundled}", r"defs.yaml:\d+: embedding.encoder: unknown field"),
    ("{model: /nonexistent}", r"defs.yaml:\d+: embedding.model: /nonexistent/config.json: cannot be read \(No such file or directory\)"),
    ("{dimension: 4000}", r"defs.yaml:\d+: embedding: dimension 4000"),
])
def test_a_wrong_model_is_named_with_its_line(folder: Path, written: str, said: str) -> None:
    kb("new", "manuals", "--from", str(folder / "manuals"))
    edit(folder, "  gate:", f"  embedding: {written}\n  gate:")
    refused = CliRunner().invoke(app, ["validate"])
    assert refused.exit_code == 1
    assert re.search(said, refused.stdout), refused.stdout


def test_an_export_overwrites_only_when_told_to(folder: Path) -> None:
    kb("new", "manuals", "--from", str(folder / "manuals"))
    (folder / "defs" / "manuals" / "golden" / "golden.yaml").write_text(GOLDENS)
    out = folder / "out"
    assert "exported 1 golden query to" in kb("golden", "export", "manuals", "--to", str(out))
    (out / "queries.jsonl").write_text("mine\n")
    (out / "qrels" / "test.tsv").unlink()
    with pytest.raises(StateError, match=r"queries.jsonl: is there already; --force overwrites it"):
        kb("golden", "export", "manuals", "--to", str(out))
    assert [path.name for path in out.rglob("*") if path.is_file()] == ["queries.jsonl"]
    assert (out / "queries.jsonl").read_text() == "mine\n"
    kb("golden", "export", "manuals", "--to", str(out), "--force")
    assert "Who keeps the keys?" in (out / "queries.jsonl").read_text()
    with pytest.raises(ConfigError, match="cannot be written"):
        kb("golden", "export", "manuals", "--to", str(out / "queries.jsonl"))
