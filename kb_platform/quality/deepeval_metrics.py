"""Our retrieval measures as deepeval's metrics, for teams that run deepeval themselves. Importing this loads deepeval (seconds).

    case = LLMTestCase(input=question, actual_output="", metadata={"ranking": ["d3", "d1"], "relevant": {"d1": 1}})
    evaluate([case], [RetrievalMetric("nDCG@10", threshold=0.8), RetrievalMetric("Success@5")])

No model is asked: the score is ir-measures' own, as in the golden gate.
"""

from typing import Any

from kb_platform.knowledge.errors import ConfigError
from kb_platform.quality.metrics import evaluate_run
from kb_platform.settings import silence_deepeval

silence_deepeval()  # read when deepeval is imported

from deepeval.metrics import BaseMetric  # noqa: E402
from deepeval.test_case import LLMTestCase  # noqa: E402

RANKING, RELEVANT = "ranking", "relevant"


class RetrievalMetric(BaseMetric):
    """One measure under its ir-measures name. deepeval builds metrics anew from what their constructor got, so nothing else is kept."""

    _required_params = []  # noqa: RUF012 - deepeval's own way to say that input and metadata are enough

    def __init__(self, measure_name: str = "nDCG@10", threshold: float = 0.5) -> None:
        self.measure_name, self.threshold = measure_name, threshold
        self.async_mode, self.include_reason, self.evaluation_model = False, True, None

    def measure(self, test_case: LLMTestCase, *_args: Any, **_kwargs: Any) -> float:
        """Return the measure of the case's ranking.

        Raises:
            ConfigError: the case's metadata lacks `ranking` (ids, best first) or `relevant` (id to grade), or the measure is unknown.
        """
        metadata = test_case.metadata or {}
        missing = [name for name in (RANKING, RELEVANT) if name not in metadata]
        if missing:
            raise ConfigError(f"no {' and no '.join(missing)}", where="LLMTestCase.metadata",
                              expected="ranking: ids, best first; relevant: id to grade")
        ranking = list(metadata[RANKING])
        run = {"case": {item: float(len(ranking) - place) for place, item in enumerate(ranking)}}
        found = evaluate_run({"case": dict(metadata[RELEVANT])}, run, [self.measure_name])
        self.score = found.mean[self.measure_name]
        self.success, self.reason = self.score >= (self.threshold or 0), f"{self.measure_name} = {self.score:.3f}"
        return self.score

    async def a_measure(self, test_case: LLMTestCase, *_args: Any, **_kwargs: Any) -> float:
        """Return the measure: deepeval's runner calls this one whatever async_mode says."""
        return self.measure(test_case)

    def is_successful(self) -> bool:
        """Return whether the threshold was reached."""
        return bool(self.success)

    @property
    def __name__(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride] - its base says that it is "Base Metric"
        """Return the measure's name, which deepeval shows."""
        return self.measure_name
