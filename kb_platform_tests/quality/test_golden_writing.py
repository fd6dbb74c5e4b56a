"""Goldens are added to files without touching what stands there."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb_platform.knowledge.errors import ConfigError
from kb_platform.quality.golden import ExpectedPassage, Golden, Severity, load_golden_set, read_goldens
from kb_platform.quality.golden_writing import append_golden, write_goldens

NEW = Golden("new-1", "How long is a badge valid?", (ExpectedPassage("badges.md", "A badge: valid for two years #1."),), ("lookup",),
             Severity.CRITICAL, "Two years.")
BLOCK = """\
# Written by the pharmacy team.
version: 1
goldens:
  - id: a           # the first
    question: "Who calls?"
    expected:
      - document: d
        quote: |
          Two lines
          of words

  # what follows was confirmed in May
  - id: b
    question: Who answers?
    expected: [{document: d, quote: some words}]   # one line
# the end
"""


def appended(folder: Path, text: str | bytes, name: str = "golden.yaml", golden: Golden = NEW) -> str:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    append_golden(folder, path, golden)
    return path.read_text()


def test_comments_and_layout_stay_and_the_new_golden_is_the_last(tmp_path: Path) -> None:
    found = appended(tmp_path, BLOCK)
    kept, _, rest = found.partition("  - id: new-1\n")
    assert kept + rest[rest.index("# the end") :] == BLOCK
    assert [g.id for _, g in read_goldens(tmp_path / "golden.yaml")] == ["a", "b", "new-1"]
    assert [path.name for path in tmp_path.iterdir()] == ["golden.yaml"]


@pytest.mark.parametrize(
    "text",
    [
        "# a starter\nversion: 1\ngoldens: []\n",
        "# a starter\nversion: 1\ngoldens: []  # none yet\n",
        "goldens: []\nversion: 1",
        "version: 1\ngoldens:\n- id: a\n  question: Q?\n  expected:\n  - document: d\n    quote: some words",
        "goldens:\n- {id: a, question: Q?, expected: [{document: d, quote: some words}]}\nversion: 1\n",
        "# für später: 日本\nversion: 1\ngoldens: [{id: a, question: Q?, expected: [{document: d, quote: some words}]}]\n",
        "version: 1\r\ngoldens:\r\n  - id: a\r\n    question: Q?\r\n    expected: [{document: d, quote: some words}]\r\n",
        "\ufeffversion: 1\ngoldens: []\n",
        "version: 1\ngoldens:\n  - id: a\n    question: Q?\n    expected:\n      - document: d\n        quote: >-\n          some\n          words\n\n\n# end\n",
    ],
)
def test_any_layout_of_a_list_can_be_added_to(tmp_path: Path, text: str) -> None:
    before = text.count("id: a")
    assert "a starter" not in text or "a starter" in appended(tmp_path, text)
    appended(tmp_path, text)
    found = [g for _, g in read_goldens(tmp_path / "golden.yaml")]
    assert (len(found), found[-1]) == (before + 1, NEW)


def test_a_file_that_is_absent_is_made(tmp_path: Path) -> None:
    append_golden(tmp_path / "golden", tmp_path / "golden" / "golden.yaml", NEW)
    append_golden(tmp_path / "golden", tmp_path / "golden" / "more.jsonl", Golden("new-2", "Q?", NEW.expected))
    found = load_golden_set(tmp_path / "golden")
    assert found is not None
    assert [g.id for g in found.goldens] == ["new-1", "new-2"]


def test_a_line_is_added_to_jsonl(tmp_path: Path) -> None:
    row = json.dumps({"id": "a", "question": "Q?", "expected": [{"document": "d", "quote": "words"}]})
    assert appended(tmp_path, row, "more.jsonl").startswith(row + "\n{")
    assert [g.id for _, g in read_goldens(tmp_path / "more.jsonl")] == ["a", "new-1"]


def test_an_id_that_is_used_anywhere_in_the_folder_is_refused(tmp_path: Path) -> None:
    append_golden(tmp_path, tmp_path / "one.yaml", NEW)
    with pytest.raises(ConfigError, match=r"the id 'new-1' is used at .*one.yaml:3:goldens.0.id"):
        append_golden(tmp_path, tmp_path / "two.yaml", NEW)
    assert not (tmp_path / "two.yaml").exists()


@pytest.mark.parametrize("text", ["version: 1\ngoldens: [\n", "version: 1\n", "- a\n", "version: 1\ngoldens: null\n"])
def test_a_file_that_is_wrong_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"golden\.yaml"):
        appended(tmp_path, text)
    assert (tmp_path / "golden.yaml").read_text() == text
    assert [path.name for path in tmp_path.iterdir()] == ["golden.yaml"]


words = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=40).map(str.strip).filter(
    lambda text: any(c.isalnum() for c in text)
)


@given(question=words, quote=words, document=words, answer=st.none() | words)
def test_whatever_a_golden_says_is_read_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, question: str, quote: str, document: str, answer: str | None
) -> None:
    golden = Golden("x: #1", question, (ExpectedPassage(document, quote), ExpectedPassage(document, None)), (), Severity.NORMAL, answer)
    folder = tmp_path_factory.mktemp("g")
    appended(folder, BLOCK, golden=golden)
    assert list(read_goldens(folder / "golden.yaml"))[-1][1] == golden


def test_many_goldens_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    append_golden(tmp_path, tmp_path / "golden.yaml", NEW)
    path = tmp_path / "import.jsonl"
    with pytest.raises(ConfigError, match=r"import.jsonl: the id 'new-1' is used at .*golden.yaml:3"):
        write_goldens(tmp_path, path, [Golden("b", "Q?", NEW.expected), NEW])
    with pytest.raises(ConfigError, match=r"/import\.jsonl:1:slices"):
        write_goldens(tmp_path, path, [Golden("b", "Q?", NEW.expected, ("two words",))])
    assert [p.name for p in tmp_path.iterdir()] == ["golden.yaml"]
    write_goldens(tmp_path, path, [Golden("b", "Q?", NEW.expected), Golden("a", "Q?", NEW.expected)])
    assert [g.id for _, g in read_goldens(path)] == ["b", "a"]
    with pytest.raises(ConfigError, match="is there already"):
        write_goldens(tmp_path, path, [])
