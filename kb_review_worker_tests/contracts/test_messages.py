"""The wire stays readable: stored samples of each released shape parse for ever, and ids follow their rule."""

import datetime as dt
import json
from pathlib import Path

import pytest
from pydantic import ValidationError

import kb_contracts.cases
import kb_contracts.decisions
import kb_contracts.outcomes
from kb_contracts.decisions import ReviewDecision
from kb_contracts.message import Message
from kb_contracts.names import INDEX_TYPES, SearchAttribute
from kb_contracts.outcomes import Brief
from kb_contracts.workflow_ids import workflow_id
from kb_platform.knowledge.review_cases import CaseKind
from kb_review_worker_tests.made_cases import PHRASE, case

SAMPLES = sorted((Path(__file__).parent / "samples").glob("*/*.json"))
MODULES = (kb_contracts.cases, kb_contracts.decisions, kb_contracts.outcomes)
MESSAGES = {name: value for module in MODULES for name, value in vars(module).items()
            if isinstance(value, type) and issubclass(value, Message) and value is not Message}


@pytest.mark.parametrize("file", SAMPLES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_a_released_shape_still_parses_and_loses_nothing(file: Path) -> None:
    stored = json.loads(file.read_text())
    read = MESSAGES[file.stem].model_validate_json(file.read_text())
    written = read.model_dump(mode="json")
    assert _within(stored, written)


def _within(stored: object, written: object) -> bool:
    """Tell whether all that was stored is written again; later releases may add fields."""
    if isinstance(stored, dict):
        return isinstance(written, dict) and all(name in written and _within(value, written[name]) for name, value in stored.items())
    if isinstance(stored, list):
        return isinstance(written, list) and len(stored) == len(written) and all(map(_within, stored, written))
    return stored == written


def test_each_message_has_a_sample() -> None:
    assert {file.stem for file in SAMPLES} == set(MESSAGES)


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_what_a_later_release_added_is_ignored(name: str) -> None:
    file = next(file for file in SAMPLES if file.stem == name)
    later = json.loads(file.read_text()) | {"schema_version": 99, "added_later": {"deep": [1]}}
    read = MESSAGES[name].model_validate(later)
    assert read.schema_version == 99
    assert not hasattr(read, "added_later")


def test_what_people_and_models_write_can_be_kept() -> None:
    stored = json.loads(next(file for file in SAMPLES if file.stem == "Brief").read_text())
    brief = Brief.model_validate(stored | {"summary": "a\0b", "points": ["c\0"]})
    assert (brief.summary, brief.points) == ("a\ufffdb", ("c\ufffd",))
    stored = json.loads(next(file for file in SAMPLES if file.stem == "ReviewDecision").read_text())
    assert ReviewDecision.model_validate(stored | {"reason": "a\0b"}).reason == "a\ufffdb"


def test_a_verdict_that_is_not_known_is_an_error_that_quotes_nothing() -> None:
    stored = json.loads(next(file for file in SAMPLES if file.stem == "ReviewDecision").read_text())
    with pytest.raises(ValidationError) as caught:
        ReviewDecision.model_validate(stored | {"verdict": f"maybe {PHRASE}"})
    assert PHRASE not in str(caught.value)


def test_an_id_is_the_same_for_the_same_opening_and_another_for_the_next() -> None:
    first = case(case_id=17, digest="9f86d081884c7d65" + "a" * 48)
    assert workflow_id(first) == "review/quarantined_document/handbook/17/20261125T081500.250000Z/9f86d081884c7d65"
    elsewhere = first.opened_at.astimezone(dt.timezone(dt.timedelta(hours=9)))
    assert workflow_id(first.model_copy(update={"opened_at": elsewhere, "facts": {"other": 1}})) == workflow_id(first)
    again = first.model_copy(update={"opened_at": first.opened_at + dt.timedelta(microseconds=1)})
    assert workflow_id(again) != workflow_id(first)


def test_an_id_says_nothing_of_the_subject() -> None:
    assert PHRASE in case().subject
    assert PHRASE not in workflow_id(case())


@pytest.mark.parametrize("wrong", [
    {"escalate_after": (dt.timedelta(hours=2), dt.timedelta(hours=1))}, {"escalate_after": (dt.timedelta(0),)},
    {"expire_after": dt.timedelta(hours=72)}, {"reviewer_roles": ()}, {"digest": "xyz"}, {"case_id": 0}, {"opened_at": dt.datetime(2026, 1, 1)},  # noqa: DTZ001
    {"kind": "Über"},
], ids=str)
def test_a_case_that_cannot_be_reviewed_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        case(**wrong)


def test_the_platforms_kinds_are_kinds_on_the_wire() -> None:
    assert [case(kind=kind.value).kind for kind in CaseKind] == [kind.value for kind in CaseKind]


def test_each_search_attribute_has_a_type() -> None:
    assert set(INDEX_TYPES) == set(SearchAttribute)
