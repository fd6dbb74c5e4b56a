"""deepeval's metrics over a scripted endpoint: one vote a call of score_case, and nothing but that endpoint is reached."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kb_platform.quality.judges.cases import JUDGED_METRICS, Case
from kb_platform.quality.judges.chat import Chat, Meter
from kb_platform.quality.judges.endpoint import CallFailed, Endpoint, Failure
from kb_platform_tests.quality.judges.scripted_endpoint import completion, error, judging, serving

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

CASE = Case("q1", "How long is a badge valid?", ("A badge is valid for a year.", "The fridge is cold."), "A year.", "One year.")


def vote(endpoint: Endpoint, metric: str, case: Case = CASE) -> tuple[float, str, Meter]:
    from kb_platform.quality.judges.deepeval_judge import score_case

    async def call() -> tuple[float, str, Meter]:
        meter = Meter()
        async with Chat(endpoint, lambda _: asyncio.sleep(0)) as chat:
            return (*await score_case(chat, metric, case, meter), meter)

    return asyncio.run(call())


@pytest.mark.parametrize(
    ("metric", "half", "calls"),
    [("faithfulness", 0.5, 3), ("answer_relevancy", 0.5, 2), ("contextual_precision", 1.0, 1), ("contextual_recall", 0.5, 1),
     ("contextual_relevancy", 0.5, 2)],
)
def test_each_metric_scores_what_the_judge_says(metric: str, half: float, calls: int) -> None:
    for verdicts, expected in ((("yes",), 1.0), (("no",), 0.0), (("yes", "no"), half)):
        with serving(lambda request, verdicts=verdicts: judging(request, *verdicts)) as scripted:
            score, reason, meter = vote(scripted.endpoint(input_price=1.0, output_price=2.0), metric)
        assert score == pytest.approx(expected)
        assert reason.startswith("as scripted") if "no" in verdicts else reason == ""
        assert len(scripted.requests) == meter.usage.requests == calls
        assert (meter.usage.input_tokens, meter.usage.cost) == (100 * calls, pytest.approx(120e-6 * calls))


def test_the_metrics_have_the_names_that_the_yaml_has() -> None:
    from kb_platform.quality.judges.deepeval_judge import METRICS

    assert set(METRICS) == set(JUDGED_METRICS)


def test_each_metric_reads_the_fields_of_its_cache_key_and_no_other() -> None:
    marks = {"question": "QQQ", "answer": "AAA", "reference": "RRR", "passages": "PPP"}
    case = Case("q1", "QQQ", ("PPP", "PPP two"), "RRR", "AAA")
    for name, metric in JUDGED_METRICS.items():
        with serving(lambda request: judging(request, "yes")) as scripted:
            vote(scripted.endpoint(), name, case)
        sent = "".join(str(request["messages"]) for request in scripted.requests)
        assert {field for field, mark in marks.items() if mark in sent} == {field for field in marks if getattr(metric, field)}, name


@pytest.mark.parametrize("metric", ["faithfulness", "answer_relevancy", "contextual_precision"])
def test_a_missing_verdict_is_a_failure_and_not_a_better_score(metric: str) -> None:
    def forgetful(request: dict[str, Any]) -> Any:
        schema = request["response_format"]["json_schema"]["schema"]["properties"]
        return completion('{"verdicts": [{"verdict": "yes", "reason": ""}]}') if "verdicts" in schema else judging(request, "yes")

    with serving(forgetful) as scripted, pytest.raises(CallFailed, match="1 verdicts on 2 items") as failed:
        vote(scripted.endpoint(), metric)
    assert failed.value.kind is Failure.WRONG_COUNT


def test_no_verdict_at_all_is_a_failure() -> None:
    with serving(lambda _: completion('{"verdicts": []}')) as scripted, pytest.raises(CallFailed, match="no verdict"):
        vote(scripted.endpoint(), "contextual_recall")


@pytest.mark.parametrize("reply", [error(400, "context_length_exceeded"), error(500), completion("yes"), completion('{"verdict": 1}')])
def test_a_failed_call_comes_out_of_the_library_as_it_went_in_and_was_made_once(reply: Any) -> None:
    with serving(lambda _: reply) as scripted, pytest.raises(CallFailed):
        vote(scripted.endpoint(), "contextual_precision")
    assert len(scripted.requests) == 1


def test_a_search_that_found_nothing_is_worth_nothing_and_nobody_is_asked() -> None:
    with serving() as scripted:
        score, reason, _ = vote(scripted.endpoint(), "contextual_relevancy", Case("q1", "Who?", (), "Nobody."))
    assert (score, reason, scripted.requests) == (0.0, "the search found no passage", [])


WRITES_NOTHING = """
import asyncio, sys
from kb_platform.quality.judges.cases import Case
from kb_platform.quality.judges.chat import Chat, Meter
from kb_platform.quality.judges.endpoint import Endpoint

async def main():
    async with Chat(Endpoint(sys.argv[1], "scripted")) as chat:
        from kb_platform.quality.judges.deepeval_judge import score_case
        print(await score_case(chat, "contextual_recall", Case("q", "Who?", ("One.", "Two."), "One."), Meter()))

asyncio.run(main())

from contextlib import redirect_stdout
from io import StringIO
from deepeval import evaluate
from deepeval.test_case import LLMTestCase
from kb_platform.quality.deepeval_metrics import RetrievalMetric

cases = [LLMTestCase(input="q", actual_output="", metadata={"ranking": [found], "relevant": {"d1": 1}}) for found in ("d1", "d2")]
with redirect_stdout(StringIO()):
    result = evaluate(cases, [RetrievalMetric("Success@5")])
print([data.score for test in result.test_results for data in test.metrics_data])
print([name for name in ("posthog", "sentry_sdk") if name in sys.modules])
"""


def test_judging_and_deepevals_own_runner_write_nothing_beside_the_home(tmp_path: Path) -> None:
    for name in ("here", "user", "home"):
        (tmp_path / name).mkdir()
    environment = {"HOME": str(tmp_path / "user"), "KB_HOME": str(tmp_path / "home"), "PATH": ""}
    with serving() as scripted:
        done = subprocess.run(
            [sys.executable, "-c", WRITES_NOTHING, scripted.endpoint().url], cwd=tmp_path / "here", env=environment,
            capture_output=True, text=True, check=True,
        )
    assert done.stdout.splitlines() == ["(1.0, '')", "[1.0, 0.0]", "[]"], done.stderr
    assert list((tmp_path / "here").iterdir()) == list((tmp_path / "user").iterdir()) == []
