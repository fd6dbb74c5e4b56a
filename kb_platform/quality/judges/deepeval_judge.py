"""deepeval's metrics with our own endpoint as their model. Importing this module costs 3 s: import it where a case is judged.

deepeval asks and counts; what is asked again, what a wrong reply means and what is kept is ours. It is told off first: no
telemetry, no .env, nothing written in the current folder.
"""

from typing import Any

from kb_platform.quality.judges.cases import JUDGED_METRICS, Case
from kb_platform.quality.judges.chat import Chat, Meter
from kb_platform.quality.judges.endpoint import CallFailed, Failure
from kb_platform.settings import silence_deepeval

silence_deepeval()  # read when deepeval is imported

from deepeval.errors import DeepEvalError  # noqa: E402
from deepeval.metrics import (  # noqa: E402
    AnswerRelevancyMetric,
    ContextualPrecisionMetric,
    ContextualRecallMetric,
    ContextualRelevancyMetric,
    FaithfulnessMetric,
)
from deepeval.models import DeepEvalBaseLLM  # noqa: E402
from deepeval.test_case import LLMTestCase  # noqa: E402

METRICS: dict[str, Any] = {
    "faithfulness": FaithfulnessMetric,
    "answer_relevancy": AnswerRelevancyMetric,
    "contextual_precision": ContextualPrecisionMetric,
    "contextual_recall": ContextualRecallMetric,
    "contextual_relevancy": ContextualRelevancyMetric,
}
LONGEST_REASON = 500


class EndpointJudge(DeepEvalBaseLLM):
    """An OpenAI-compatible endpoint as deepeval's model. It raises CallFailed, and never TypeError: deepeval would ask twice."""

    def __init__(self, chat: Chat, meter: Meter) -> None:
        self._chat, self._meter = chat, meter
        super().__init__(chat.endpoint.model)

    def load_model(self, *_args: Any, **_kwargs: Any) -> "EndpointJudge":
        """Return itself: the model is elsewhere."""
        return self

    def get_model_name(self, *_args: Any, **_kwargs: Any) -> str:
        """Return the model's name."""
        return self._chat.endpoint.model

    def generate(self, *_args: Any, **_kwargs: Any) -> Any:
        """Refuse what deepeval's interface demands and our metrics never call: cases are judged side by side, on one event loop."""
        raise NotImplementedError("ask with a_generate")

    async def a_generate(self, prompt: str, schema: Any = None, **_kwargs: Any) -> Any:
        """Return the reply as an instance of the schema that the metric expects."""
        return await self._chat.ask(prompt, schema, self._meter)


async def score_case(chat: Chat, metric: str, case: Case, meter: Meter) -> tuple[float, str]:
    """Return one vote from 0 to 1, and why it is not 1. The reasons are those of the single verdicts: one of the whole is one more call.

    Raises:
        CallFailed: a call failed, or the judge gave another number of verdicts than it was asked for.
    """
    if not case.passages and JUDGED_METRICS[metric].passages:
        return 0.0, "the search found no passage"
    judged = METRICS[metric](model=EndpointJudge(chat, meter), include_reason=False, async_mode=True, eval_mode="llm")
    try:
        score = await judged.a_measure(_test_case(case), _show_indicator=False)
    except DeepEvalError as error:  # it wraps what it takes for too long a prompt
        raise error.__cause__ if isinstance(error.__cause__, CallFailed) else error from None
    verdicts = _verdicts(judged)
    expected = _expected_count(metric, judged, case)
    if (len(verdicts) != expected) if expected is not None else not verdicts:
        what = f"{len(verdicts)} verdicts on {expected} items" if expected is not None else "no verdict"
        raise CallFailed(Failure.WRONG_COUNT, what, where=f"{metric} by {chat.endpoint.model}")
    against = [str(verdict.reason) for verdict in verdicts if verdict.verdict != "yes" and verdict.reason]
    return float(score), "; ".join(against)[:LONGEST_REASON]


def _test_case(case: Case) -> LLMTestCase:
    return LLMTestCase(
        input=case.question, actual_output=case.answer or "", expected_output=case.reference, retrieval_context=list(case.passages),
        name=case.golden,
    )


def _verdicts(judged: Any) -> list[Any]:
    if hasattr(judged, "verdicts_list"):
        return [verdict for verdicts in judged.verdicts_list for verdict in verdicts.verdicts]
    return list(judged.verdicts)


def _expected_count(metric: str, judged: Any, case: Case) -> int | None:
    """Return how many verdicts there must be; None where the judge itself splits the text, then there must be one.

    A verdict that is missing moves the score silently: deepeval divides by the number that came.
    """
    match metric:
        case "faithfulness":
            return len(judged.claims)
        case "answer_relevancy":
            return len(judged.statements)
        case "contextual_precision":
            return len(case.passages)
        case _:
            return None
