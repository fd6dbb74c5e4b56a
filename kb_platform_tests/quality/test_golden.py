"""The golden set: what its files may say, and how a mistake in them is named."""

import json
from pathlib import Path

import pytest

from kb_platform.knowledge.errors import ConfigError
from kb_platform.quality.golden import ExpectedPassage, Golden, GoldenSet, Severity, load_golden_set, try_goldens

GOOD = """\
version: 1
goldens:
  - id: visiting-hours
    question: When may visitors come to the ward?
    slices: [paraphrase, visitors]
    severity: critical
    expected:
      - document: visiting.md
        quote: Visitors are welcome from 14:00 to 19:00.
      - {document: faq.md, quote: "afternoons only", source: intranet}
    answer: From two to seven in the afternoon.
  - id: 7
    question: Who calls the crash team?
    expected:
      - {document: emergency.md, quote: The nurse who finds the patient calls 2222.}
"""


def write(folder: Path, name: str, text: str | bytes) -> Path:
    """Write a golden file and return it."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def load(folder: Path) -> GoldenSet:
    """Load a folder that holds goldens."""
    goldens = load_golden_set(folder)
    assert goldens is not None
    return goldens


def mistake(folder: Path) -> str:
    """Return the one line that loading the folder fails with."""
    with pytest.raises(ConfigError) as caught:
        load_golden_set(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_yaml_file_becomes_frozen_goldens_ordered_by_id(tmp_path: Path) -> None:
    write(tmp_path, "core.yaml", GOOD)
    goldens = load(tmp_path)
    assert [g.id for g in goldens.goldens] == ["7", "visiting-hours"]
    assert goldens.goldens[1] == Golden(
        id="visiting-hours",
        question="When may visitors come to the ward?",
        slices=("paraphrase", "visitors"),
        severity=Severity.CRITICAL,
        expected=(
            ExpectedPassage("visiting.md", "Visitors are welcome from 14:00 to 19:00."),
            ExpectedPassage("faq.md", "afternoons only", "intranet"),
        ),
        answer="From two to seven in the afternoon.",
    )
    assert goldens.goldens[0].severity is Severity.NORMAL
    assert goldens.slices == ("paraphrase", "visitors")


def test_jsonl_and_yaml_files_of_a_folder_and_its_subfolders_are_one_set(tmp_path: Path) -> None:
    row = {"id": "a", "question": "Q?", "expected": [{"document": "d", "quote": "words"}]}
    write(tmp_path, "one.jsonl", json.dumps(row) + "\n\n" + json.dumps(row | {"id": "b"}) + "\r\n")
    write(tmp_path, "more/two.yml", GOOD)
    write(tmp_path, "notes.txt", "not a golden file")
    write(tmp_path, ".#core.yaml", "an editor's lock")
    assert [g.id for g in load(tmp_path).goldens] == ["7", "a", "b", "visiting-hours"]


@pytest.mark.parametrize("text", ["version: 1\ngoldens: []\n", None])
def test_an_absent_folder_or_an_empty_list_is_no_golden_set(tmp_path: Path, text: str | None) -> None:
    if text:
        write(tmp_path, "golden/core.yaml", text)
    assert load_golden_set(tmp_path / "golden") is None


def test_an_empty_jsonl_file_holds_no_golden(tmp_path: Path) -> None:
    write(tmp_path, "core.jsonl", "\n")
    assert load_golden_set(tmp_path) is None


def test_the_hash_does_not_depend_on_order_formatting_or_files(tmp_path: Path) -> None:
    write(tmp_path, "one/core.yaml", GOOD)
    rows = [
        {
            "question": "Who calls the crash team?",
            "id": "7",
            "expected": [{"quote": "The nurse who finds the patient calls 2222.", "document": "emergency.md"}],
        },
        {
            "id": "visiting-hours",
            "question": "When may visitors come to the ward?",
            "slices": ["visitors", "paraphrase"],
            "severity": "critical",
            "answer": "From two to seven in the afternoon.",
            "expected": [
                {"document": "faq.md", "quote": "afternoons only", "source": "intranet"},
                {"document": "visiting.md", "quote": "Visitors are welcome from 14:00 to 19:00."},
            ],
        },
    ]
    for number, row in enumerate(rows):
        write(tmp_path, f"two/{number}.jsonl", json.dumps(row))
    assert load(tmp_path / "one").content_hash == load(tmp_path / "two").content_hash


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("14:00", "13:00"),
        ("critical", "normal"),
        ("[paraphrase, visitors]", "[visitors]"),
        ("id: 7", "id: 8"),
        ("two to", "2 to"),
    ],
)
def test_the_hash_changes_with_every_field(tmp_path: Path, old: str, new: str) -> None:
    write(tmp_path, "one/core.yaml", GOOD)
    write(tmp_path, "two/core.yaml", GOOD.replace(old, new))
    assert load(tmp_path / "one").content_hash != load(tmp_path / "two").content_hash


@pytest.mark.parametrize(
    ("old", "new", "place", "sentence"),
    [
        ("severity: critical", "severity: hihg", "6:goldens.0.severity", "found 'hihg'; expected 'normal' or 'critical'"),
        ("    severity: critical", "    severty: critical", "6:goldens.0.severty", "unknown field 'severty'"),
        ("    question: Who calls the crash team?\n", "", "12:goldens.1.question", "the field 'question' is missing"),
        ("question: Who calls the crash team?", "question: [a, b]", "13:goldens.1.question", "found ['a', 'b']; expected text"),
        ("question: Who calls the crash team?", "question: ' '", "13:goldens.1.question", "found ' '; expected at least 1 character"),
        ("slices: [paraphrase, visitors]", "slices: [all]", "5:goldens.0.slices", "'all' is no name for a slice"),
        ("slices: [paraphrase, visitors]", "slices: paraphrase", "5:goldens.0.slices", "found 'paraphrase'; expected a list"),
        ("slices: [paraphrase, visitors]", "slices: [a b]", "5:goldens.0.slices.0", "found 'a b'; expected what matches"),
        ('quote: "afternoons only"', 'quote: "***"', "10:goldens.0.expected.1.quote", "a quote needs at least one word"),
        ("id: 7", "id: 2024-01-01", "12:goldens.1.id", "found 2024-01-01; expected text in quotes"),
        ("id: 7", "id: true", "12:goldens.1.id", "found True; expected text in quotes"),
        ("version: 1", "version: 2", "1:version", "found 2; expected 1"),
        ("version: 1\n", "", "1:version", "the field 'version' is missing"),
    ],
)
def test_a_mistake_is_named_by_file_line_and_field(tmp_path: Path, old: str, new: str, place: str, sentence: str) -> None:
    path = write(tmp_path, "core.yaml", GOOD.replace(old, new))
    message = mistake(tmp_path)
    assert message.startswith(f"{path}:{place}: ")
    assert sentence in message


def test_several_mistakes_are_counted(tmp_path: Path) -> None:
    write(tmp_path, "core.yaml", GOOD.replace("id: 7", "id: true").replace("critical", "grave"))
    assert "1 more mistake" in mistake(tmp_path)


def test_an_empty_expectation_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "core.yaml", "version: 1\ngoldens:\n  - id: a\n    question: Q?\n    expected: []\n")
    assert "core.yaml:5:goldens.0.expected: found []; expected at least 1 of them" in mistake(tmp_path)


def test_a_passage_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    passage = "{document: d, quote: some words}"
    write(tmp_path, "core.yaml", f"version: 1\ngoldens:\n  - id: a\n    question: Q?\n    expected: [{passage}, {passage}]\n")
    assert "core.yaml:5:goldens.0.expected: the same passage is given twice" in mistake(tmp_path)


def test_an_id_used_twice_names_both_places_even_across_files(tmp_path: Path) -> None:
    first = write(tmp_path, "a.yaml", GOOD)
    row = {"id": "visiting-hours", "question": "Q?", "expected": [{"document": "d", "quote": "words"}]}
    second = write(tmp_path, "b.jsonl", "\n" + json.dumps(row))
    message = mistake(tmp_path)
    assert message.startswith(f"{second}:2:id: the id 'visiting-hours' is used twice")
    assert f"{first}:3:goldens.0.id" in message


def test_a_jsonl_mistake_is_named_by_its_line(tmp_path: Path) -> None:
    row = {"id": "a", "question": "Q?", "expected": [{"document": "d"}]}
    path = write(tmp_path, "a.jsonl", "\n" + json.dumps(row))
    assert mistake(tmp_path) == f"{path}:2:expected.0.quote: the field 'quote' is missing"


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.yaml", "version: 1\ngoldens: [\n", "a.yaml:3: not YAML"),
        ("a.yaml", "version: 1\ngoldens:\n  - id: a\n   question: x\n", "a.yaml:4: not YAML"),
        ("a.yaml", "version: 1\nversion: 1\ngoldens: []\n", "a.yaml:2:version: the key 'version' is given twice"),
        ("a.yaml", "version: 1\ngoldens:\n- {id: a, id: b}\n", "a.yaml:3:id: the key 'id' is given twice"),
        ("a.yaml", "", "a.yaml: the file is empty"),
        ("a.yaml", "- a\n- b\n", "a.yaml:1:the whole: found list; a mapping with version, goldens belongs here"),
        ("a.yaml", "version: 1\ngoldens:\n  - just text\n", "a.yaml:3:goldens.0: found str"),
        ("a.yaml", "version: !!python/object:os.system 1\n", "a.yaml:1: not YAML (could not determine a constructor"),
        ("a.yaml", "a: 1\n---\nb: 2\n", "a.yaml:2: not YAML"),
        ("a.yaml", b"version: 1\n# caf\xe9\n", "a.yaml:2: byte 0xe9 is not UTF-8"),
        ("a.yaml", GOOD.encode("utf-16"), "a.yaml:1: the file is UTF-16; save the file as UTF-8"),
        ("a.yaml", "version: 1\ngoldens:\n\t- id: a\n", "a.yaml:3: not YAML (found character that cannot start any token"),
        ("a.yaml", GOOD.encode("utf-16-le"), "a.yaml: not YAML"),
        ("a.yaml", "version: 1\ngoldens:\n", "a.yaml:2:goldens: found None; expected a list"),
        ("a.yaml", "version: 1\ngoldens:\n  - {id: a, question: 2024-13-01}\n", "a.yaml:3: '2024-13-01' cannot be read as timestamp; put it in quotes"),
        ("a.yaml", "version: 1\ngoldens:\n  - {id: a, question: !!bool maybe}\n", "a.yaml:3: 'maybe' cannot be read as bool; put it in quotes"),
        ("a.jsonl", '{"id": 1, "question": "a\\u0000b"}', "a.jsonl:1:question: no database holds the character NUL"),
        ("a.jsonl", '{"id": ' + "9" * 5000 + "}", "a.jsonl:1: not JSON (a number of too many digits)"),
        ("a.jsonl", '{"id": 1}\n{"id":', "a.jsonl:1:question: the field 'question' is missing"),
        ("a.jsonl", '{"id":', "a.jsonl:1: not JSON"),
        ("a.jsonl", "[1]", "a.jsonl:1: found list; expected one JSON object a line"),
        ("a.jsonl", "[" * 100_000, "a.jsonl:1: not JSON"),
    ],
)
def test_a_broken_file_gives_one_clear_line(tmp_path: Path, name: str, content: str | bytes, expected: str) -> None:
    write(tmp_path, name, content)
    assert expected in mistake(tmp_path)


def test_a_mistake_beside_the_goldens_hides_none_within_them(tmp_path: Path) -> None:
    write(tmp_path, "core.yaml", GOOD.replace("version: 1", "version: 2\nowner: me").replace("critical", "grave"))
    found, wrong = try_goldens(tmp_path)
    assert [each.golden.id for each in found] == ["7"]
    assert [error.where.partition("core.yaml:")[2] for error in wrong] == ["1:version", "2:owner", "7:goldens.0.severity"]


def test_a_file_of_absurd_size_is_not_read(tmp_path: Path) -> None:
    with write(tmp_path, "a.jsonl", "").open("r+b") as file:
        file.truncate(65 * 2**20)
    assert mistake(tmp_path) == f"{tmp_path / 'a.jsonl'}: 65 MiB; expected at most 64 MiB; split the file"


def test_a_whole_document_is_expected_only_where_it_is_said(tmp_path: Path) -> None:
    row = {"id": "a", "question": "Q?", "expected": [{"document": "d", "whole": True}]}
    write(tmp_path, "a.jsonl", json.dumps(row))
    assert load(tmp_path).goldens[0].expected == (ExpectedPassage("d", None),)
    for passage in ({"document": "d", "quote": None}, {"document": "d", "quote": "words", "whole": True}):
        write(tmp_path, "a.jsonl", json.dumps(row | {"expected": [passage]}))
        assert "expected.0: a quote, or `whole: true` where the whole document answers, belongs here" in mistake(tmp_path)


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", b"\xef\xbb\xbf" + GOOD.encode())
    assert len(load(tmp_path).goldens) == 2


def test_aliases_are_followed_and_a_cycle_is_refused(tmp_path: Path) -> None:
    shared = "version: 1\ngoldens:\n  - id: a\n    question: Q?\n    expected: &e [{document: d, quote: words}]\n"
    write(tmp_path, "a.yaml", shared + "  - id: b\n    question: Q?\n    expected: *e\n")
    assert [g.expected[0].quote for g in load(tmp_path).goldens] == ["words", "words"]
    write(tmp_path, "a.yaml", "version: 1\ngoldens: &g\n  - *g\n")
    assert "a.yaml:3: it holds, or its aliases stand for, more than" in mistake(tmp_path)
