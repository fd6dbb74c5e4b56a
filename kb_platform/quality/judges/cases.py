"""What is judged: a question with the passages found for it, what a model answered from them, and what it should have answered.

A vote is kept under the hash of everything that could change it. Each metric reads some fields only, so that an answer worded anew
costs no vote of a metric that looks at passages alone.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from kb_platform.quality.golden import Golden, Severity

RUBRIC = "rubric-1"
"""Of our side: how a case is put to the library. A change asks every vote again."""


@dataclass(frozen=True)
class JudgedMetric:
    """One of deepeval's metrics, and the fields of a case that it reads beside the question or instead of it."""

    name: str
    question: bool = False
    passages: bool = False
    answer: bool = False
    reference: bool = False


JUDGED_METRICS = {
    metric.name: metric
    for metric in (
        JudgedMetric("faithfulness", answer=True, passages=True),
        JudgedMetric("answer_relevancy", question=True, answer=True),
        JudgedMetric("contextual_precision", question=True, passages=True, reference=True),
        JudgedMetric("contextual_recall", passages=True, reference=True),
        JudgedMetric("contextual_relevancy", question=True, passages=True),
    )
}


@dataclass(frozen=True)
class Case:
    """A golden as one release answers it. `passages` are the chunks that the answering model gets, best first."""

    golden: str
    question: str
    passages: tuple[str, ...]
    reference: str | None
    answer: str | None = None


def reference_of(golden: Golden) -> str | None:
    """Return the expected answer: the golden's own, or else its quotes, which an answer should rest on; None where it has neither."""
    return golden.answer or "\n".join(passage.quote for passage in golden.expected if passage.quote) or None


def answer_key(model: str, prompt_version: str, case: Case) -> bytes:
    """Return the SHA-256 under which an answer is kept."""
    return _digest([model, prompt_version, case.question, list(case.passages)])


def vote_key(judge: str, metric: JudgedMetric, version: str, case: Case) -> bytes:
    """Return the SHA-256 under which votes are kept: judge, metric, versions of library and rubric, and the fields that it reads."""
    read = {
        "question": case.question if metric.question else None,
        "passages": list(case.passages) if metric.passages else None,
        "answer": case.answer if metric.answer else None,
        "reference": case.reference if metric.reference else None,
    }
    return _digest([judge, metric.name, version, RUBRIC, read])


def _digest(parts: Sequence[object]) -> bytes:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).digest()


def choose_goldens(goldens: Sequence[Golden], limit: int) -> list[Golden]:
    """Return at most `limit` goldens, the critical ones first, then by the hash of their id: the same ones every time."""

    def order(golden: Golden) -> tuple[bool, bytes]:
        return golden.severity is not Severity.CRITICAL, hashlib.sha256(golden.id.encode()).digest()

    return sorted(goldens, key=order)[:limit]
