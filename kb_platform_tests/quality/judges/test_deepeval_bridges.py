"""Goldens and retrieval measures in deepeval's own terms, read and run by deepeval itself."""

from pathlib import Path
from typing import Any

import pytest

from kb_platform.knowledge.errors import ConfigError
from kb_platform.quality.deepeval_goldens import evaluation_dataset, from_json, from_records, to_json, to_records
from kb_platform.quality.golden import ExpectedPassage, Golden, GoldenSet, Severity, load_golden_set
from kb_platform.settings import silence_deepeval

silence_deepeval()

GOLDENS = [
    Golden("q1", "How long is a badge valid?", (ExpectedPassage("badge.md", "A badge is valid for a year."),), answer="A year."),
    Golden("q2", "Wie kühl?", (ExpectedPassage("a.md", "Zwei Grad.", "wards"), ExpectedPassage("b.md", "Acht.")), ("cold", "german"),
           Severity.CRITICAL),
    Golden("q3", "Where?", (ExpectedPassage("map.md", None),)),
]


def test_a_set_that_was_exported_and_imported_is_the_same_set() -> None:
    assert GoldenSet.of(from_json(to_json(GOLDENS))).content_hash == GoldenSet.of(GOLDENS).content_hash
    assert "kühl" in to_json(GOLDENS)


def test_the_handbooks_goldens_go_there_and_back() -> None:
    shipped = load_golden_set(Path(__file__).parents[3] / "kb_platform" / "defs" / "handbook" / "golden")
    assert shipped is not None
    assert GoldenSet.of(from_records(to_records(shipped.goldens))) == shipped


def test_deepeval_reads_what_we_write_and_we_read_what_deepeval_writes(tmp_path: Path) -> None:
    from deepeval.dataset import EvaluationDataset

    (tmp_path / "ours.json").write_text(to_json(GOLDENS), encoding="utf-8")
    dataset = EvaluationDataset()
    dataset.add_goldens_from_json_file(str(tmp_path / "ours.json"))
    written = dataset.save_as("json", str(tmp_path), "theirs")
    assert from_json(Path(written).read_text(encoding="utf-8")) == GOLDENS


def test_a_dataset_holds_every_golden() -> None:
    dataset: Any = evaluation_dataset(GOLDENS)
    assert [(g.input, g.expected_output, g.context) for g in dataset.goldens] == [
        ("How long is a badge valid?", "A year.", ["A badge is valid for a year."]), ("Wie kühl?", None, ["Zwei Grad.", "Acht."]),
        ("Where?", None, [])]


def test_goldens_that_deepeval_made_have_their_context_as_quotes_of_their_source_file() -> None:
    records = [{"input": "Who?", "expected_output": "Me.", "context": ["I did.", " "], "source_file": "who.md", "retrieval_context": None}]
    assert from_records(records) == [Golden("golden-1", "Who?", (ExpectedPassage("who.md", "I did."),), answer="Me.")]
    assert from_records([{"input": "Who?", "source_file": "who.md"}])[0].expected == (ExpectedPassage("who.md", None),)


@pytest.mark.parametrize(
    ("text", "says"),
    [("[{", "f.json: not JSON"), ('{"goldens": []}', "f.json: found dict; expected a list"), ('[{"input": 1}]', "f.json:1: input: "),
     ("[1]", "f.json:1: the whole: "), ('[{"input": "Who?"}]', "f.json:1: no document answers it; expected source_file"),
     ('[{"input": "Who?", "context": ["x"]}]', "no document answers it"),
     ('[{"input": "Who?", "additional_metadata": {"severity": "high"}}]', "f.json:1: additional_metadata.severity: ")],
)
def test_what_is_no_golden_is_refused_in_one_line(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        from_json(text, "f.json")
    assert str(refused.value).startswith(says) or says in str(refused.value)
    assert "\n" not in str(refused.value)


def case(**metadata: Any) -> Any:
    from deepeval.test_case import LLMTestCase

    return LLMTestCase(input="q", actual_output="", metadata=metadata)


def test_our_measures_are_deepevals_metrics() -> None:
    from kb_platform.quality.deepeval_metrics import RetrievalMetric

    asked = case(ranking=["d2", "d1", "d9"], relevant={"d1": 1})
    for name, expected, passed in (("nDCG@10", 0.6309, True), ("RR@10", 0.5, True), ("Success@1", 0.0, False)):
        metric = RetrievalMetric(name)
        assert metric.measure(asked) == pytest.approx(expected, abs=1e-4)
        assert (metric.is_successful(), metric.__name__) == (passed, name)
    with pytest.raises(ConfigError, match="no ranking and no relevant"):
        RetrievalMetric().measure(case())
    with pytest.raises(ConfigError, match="unknown measure"):
        RetrievalMetric("nDCG@ten").measure(asked)
