"""One golden is changed or taken out of its file; all else stays, or nothing happens."""

from dataclasses import replace
from pathlib import Path

import pytest

from kb_platform.knowledge.errors import ConfigError
from kb_platform.quality.golden import ExpectedPassage, Golden, located_goldens
from kb_platform.quality.golden_changes import change_golden, golden_patch

YAML = """# top
version: 1
goldens:
  # first
  - id: a
    question: Where is it?   # asked daily
    expected:
      - document: d.md
        quote: it is here
  # second
  - id: b
    question: When is it?
    expected: [{document: e.md, quote: it is now}]
# end
"""
JSONL = '{"id": "a", "question": "Where?", "expected": [{"document": "d", "quote": "here"}]}\n{"id": "b", "question": "When?", "expected": [{"document": "e", "quote": "now"}]}\n'


def of(folder: Path, golden: str) -> Golden:
    return located_goldens(folder)[golden][0]


def requoted(golden: Golden) -> Golden:
    return replace(golden, expected=(ExpectedPassage(golden.expected[0].document, "it stands elsewhere"),))


@pytest.fixture(params=["golden.yaml", "golden.jsonl"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    (tmp_path / "golden").mkdir()
    (tmp_path / "golden" / request.param).write_text(YAML if request.param.endswith("yaml") else JSONL)
    return tmp_path / "golden"


@pytest.mark.parametrize("golden", ["a", "b"])
def test_a_golden_is_quoted_anew_and_the_others_stay(folder: Path, golden: str) -> None:
    other = of(folder, "b" if golden == "a" else "a")
    becomes = requoted(of(folder, golden))
    path = change_golden(folder, of(folder, golden), becomes)
    assert of(folder, golden) == becomes
    assert of(folder, other.id) == other
    if path.suffix == ".yaml":
        assert all(comment in path.read_text() for comment in ("# top", "# first", "# second", "# end"))


@pytest.mark.parametrize("golden", ["a", "b"])
def test_a_golden_is_retired_by_what_the_patch_says(folder: Path, golden: str) -> None:
    patch = golden_patch(folder, of(folder, golden), None)
    removed = [line for line in patch.splitlines() if line.startswith("-") and not line.startswith("---")]
    assert any(f"{golden}" in line for line in removed)
    assert not [line for line in patch.splitlines() if line.startswith("+") and not line.startswith("+++")]
    change_golden(folder, of(folder, golden), None)
    assert list(located_goldens(folder)) == ["b" if golden == "a" else "a"]


@pytest.mark.parametrize("text", [
    "version: 1\ngoldens: [{id: a, question: q, expected: [{document: d, quote: here}]}, {id: b, question: r, expected: [{document: d, quote: x}]}]\n",
    "version: 1\ngoldens:\n  - id: a\n    question: q\n    expected: [{document: d, quote: here}]\n"])
def test_a_file_that_cannot_be_changed_safely_stays_as_it_is(tmp_path: Path, text: str) -> None:
    file = tmp_path / "golden.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match="by hand"):
        change_golden(tmp_path, of(tmp_path, "a"), None)
    assert file.read_text() == text


def test_a_golden_that_has_changed_since_it_was_reviewed_is_left_alone(folder: Path) -> None:
    with pytest.raises(ConfigError, match="is not there as it was reviewed"):
        change_golden(folder, requoted(of(folder, "a")), None)


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"])
def test_a_separator_within_a_line_of_jsonl_begins_no_line(tmp_path: Path, separator: str) -> None:
    file = tmp_path / "golden" / "golden.jsonl"
    file.parent.mkdir()
    first = JSONL.split("\n")[0].replace("Where?", f"Where{separator}is it?")
    file.write_text(f"{first}\n{JSONL.split(chr(10))[1]}\n", encoding="utf-8")
    patch = golden_patch(file.parent, of(file.parent, "b"), None)
    assert patch.split("\n")[3:] == [f" {first}", f"-{JSONL.split(chr(10))[1]}", ""]
    change_golden(file.parent, of(file.parent, "b"), None)
    assert file.read_text(encoding="utf-8") == f"{first}\n"
