"""A panel of workers over a scripted endpoint: what fails is apart, and a dead endpoint is not asked for ever."""

import pytest
from pydantic import ValidationError

from kb_platform.knowledge.errors import ConfigError
from kb_platform.quality.judges.cases import Case
from kb_platform.quality.judges.configured import configured_judge
from kb_platform.quality.judges.endpoint import Failure, Usage
from kb_platform.quality.judges.panel import ask_answers, ask_votes, ballots_of
from kb_platform.settings import Settings
from kb_platform_tests.quality.judges.scripted_endpoint import completion, error, serving

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
CASES = [Case(f"q{n}", f"Question {n}?", ("One.", "Two."), "One.") for n in range(20)]


def test_answers_come_one_by_one_with_what_they_used() -> None:
    kept: dict[str, tuple[str, Usage]] = {}
    told: list[tuple[str, int, int | None]] = []
    with serving(lambda request: completion(f" About {request['messages'][1]['content'][-2:]} ")) as scripted:
        asked = ask_answers(
            scripted.endpoint(input_price=1.0, output_price=1.0), CASES, lambda case, answer, usage: kept.update({case.golden: (answer, usage)}),
            may_fail=0, progress=lambda *at: told.append(at))
    assert kept["q7"] == ("About 7?", Usage(1, 100, 10, pytest.approx(0.00011)))
    assert (len(kept), asked.failed, asked.given_up, asked.usage.requests) == (20, (), 0, 20)
    assert told[-1] == ("answering", 20, 20)
    assert "[1]\nOne.\n\n[2]\nTwo." in scripted.requests[0]["messages"][1]["content"]


def test_what_fails_is_named_and_the_others_go_on() -> None:
    kept: list[str] = []
    with serving(lambda r: error(500) if "Question 3?" in str(r) else completion("Yes.")) as scripted:
        asked = ask_answers(scripted.endpoint(), CASES, lambda case, *_: kept.append(case.golden), may_fail=1)
    assert [(failed.asked.golden, failed.error.kind) for failed in asked.failed] == [("q3", Failure.SERVER)]
    assert (len(kept), asked.given_up) == (19, 0)


def test_a_dead_endpoint_is_left_once_too_much_has_failed() -> None:
    with serving(lambda _: error(503)) as scripted:
        asked = ask_answers(scripted.endpoint(concurrency=2), CASES, lambda *_: None, may_fail=3)
    assert len(scripted.requests) == len(asked.failed) in (4, 5)  # the other worker's call was on its way
    assert asked.given_up == 20 - len(asked.failed)


def test_votes_are_asked_one_by_one_and_numbered() -> None:
    given: list[tuple[int, float]] = []
    ballots = ballots_of("scripted", "contextual_recall", CASES[0], 3)
    with serving() as scripted:
        ask_votes(scripted.endpoint(), ballots, lambda ballot, vote, _: given.append((ballot.number, vote.score)), may_fail=0)
    assert sorted(given) == [(0, 1.0), (1, 1.0), (2, 1.0)]
    assert len(scripted.requests) == 3


def test_nothing_to_ask_asks_nobody() -> None:
    with serving() as scripted:
        asked = ask_votes(scripted.endpoint(), [], lambda *_: None, may_fail=0)
    assert (asked.failed, asked.given_up, asked.usage, scripted.requests) == ((), 0, Usage(), [])


def settings(**more: str) -> Settings:
    return Settings.model_validate(more)


def test_without_an_address_there_is_no_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KB_JUDGE_URL", raising=False)
    assert configured_judge(Settings()) is None
    monkeypatch.setenv("KB_JUDGE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.delenv("KB_JUDGE_MODEL", raising=False)
    with pytest.raises(ConfigError, match="KB_JUDGE_MODEL is not set"):
        configured_judge(Settings())


def test_the_judge_answers_as_well_where_no_other_model_is_named() -> None:
    judge = configured_judge(settings(judge_url="http://j/v1", judge_model="big", judge_api_key="k", judge_input_price="2"))
    assert judge is not None
    assert (judge.answering.url, judge.answering.model, judge.answering.api_key, judge.answering.input_price) == ("http://j/v1", "big", "k", 2.0)


def test_a_key_goes_to_its_own_address_only_and_a_price_belongs_to_its_own_model_only() -> None:
    judge = configured_judge(settings(judge_url="http://j/v1", judge_model="big", judge_api_key="k", judge_input_price="2",
                                      answer_url="http://a/v1", answer_model="small"))
    assert judge is not None
    assert (judge.answering.api_key, judge.answering.input_price) == (None, None)
    same_place = configured_judge(settings(judge_url="http://j/v1", judge_model="big", judge_api_key="k", answer_model="small"))
    assert same_place is not None
    assert same_place.answering.api_key == "k"


@pytest.mark.parametrize("url", ["models.example/v1", "ftp://models.example/v1", "https://user:secret@models.example/v1"])
def test_an_address_that_cannot_be_meant_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(judge_url=url)
    assert "secret" not in str(refused.value)
