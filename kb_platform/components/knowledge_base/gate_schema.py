"""The key `gate` of defs.yaml: the golden gate, judged answers, and the limits of the other gates."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from kb_platform.components.knowledge_base.yaml_model import Strict, described
from kb_platform.knowledge.errors import ConfigError
from kb_platform.knowledge.gate_limits import GateLimits
from kb_platform.quality.gate_parameters import GateParameters
from kb_platform.release.gates import check_required

Measure = Literal["nDCG@10", "R@10", "RR@10", "Success@1", "Success@5"]
JUDGED = ("faithfulness", "answer_relevancy", "contextual_precision", "contextual_recall", "contextual_relevancy")


class JudgeModel(Strict):
    """Judged answers: a model answers the golden questions from what search finds, another one judges the answers."""

    metrics: Annotated[
        Mapping[str, float | None], Field(min_length=1),
        described("Least mean by metric, nothing for none: faithfulness, answer_relevancy, contextual_precision, _recall, _relevancy."),
    ] = {"faithfulness": None, "answer_relevancy": None}
    votes: Annotated[int, Field(ge=2, le=25), described("Votes on a case whose metric does not pass with one.")] = 3
    queries: Annotated[int, Field(ge=1), described("At most so many goldens are judged, critical ones first; bounds the cost.")] = 100
    passages: Annotated[int, Field(ge=1, le=50), described("Chunks that the answering model gets.")] = 5
    min_effect: Annotated[float, Field(ge=0, lt=1), described("Smallest mean loss against the live release that counts.")] = 0.05
    alpha: Annotated[float, Field(gt=0, lt=1), described("Error level of the paired tests, over all metrics together.")] = 0.05
    suspicion: Annotated[float, Field(gt=0, le=1), described("A loss with a p value up to this is inconclusive.")] = 0.2
    min_queries: Annotated[int, Field(ge=1), described("Below so many compared goldens any loss is inconclusive.")] = 30
    max_error_share: Annotated[float, Field(ge=0, lt=1), described("Share of votes that may fail.")] = 0.05
    noise: Annotated[int, Field(ge=1), described("On so many goldens all votes are always taken: the judge's own spread.")] = 10

    @field_validator("metrics")
    @classmethod
    def _are_judged_metrics(cls, value: Mapping[str, float | None]) -> Mapping[str, float | None]:
        for name, floor in value.items():
            if name not in JUDGED:
                raise ValueError(f"unknown metric {name!r}, expected some of {', '.join(JUDGED)}")
            if floor is not None and not 0 <= floor <= 1:
                raise ValueError(f"{name}: {floor}, expected a floor from 0 to 1, or nothing for none")
        return value


class GoldenGateModel(Strict):
    """What the golden gate holds a candidate to: the fields and defaults of GateParameters, which says what they come to."""

    floors: Annotated[
        Mapping[str, float | Mapping[str, float]],
        described("Least mean by slice; `all` is every query, `critical` every critical one. A number is about the primary measure, a "
                  "mapping names measures: {all: 0.9, critical: {Success@5: 0.95, RR@10: 0.8}}."),
    ] = {}
    primary: Annotated[Measure, described("Measure that is compared overall and in every slice.")] = "Success@5"
    secondary: Annotated[list[Measure], described("Measures that are compared overall as well.")] = ["nDCG@10"]
    min_effect: Annotated[
        float, Field(ge=0, lt=1), described("Smallest loss against the live release that counts.")
    ] = GateParameters.min_effect
    alpha: Annotated[
        float, Field(gt=0, lt=1), described("Two-sided level of the overall comparison; slices and secondary measures share a fifth of it.")
    ] = GateParameters.alpha
    suspicion: Annotated[
        float, Field(gt=0, le=1), described("A loss above min_effect that is not proven, with a p value up to this, needs a person.")
    ] = GateParameters.suspicion
    min_queries: Annotated[
        int, Field(ge=1), described("With fewer compared queries every loss above min_effect needs a person.")
    ] = GateParameters.min_queries
    max_stale_share: Annotated[
        float, Field(ge=0, le=1), described("Share of goldens that may be stale; above it the verdict is inconclusive.")
    ] = GateParameters.max_stale_share
    max_newly_stale_share: Annotated[
        float, Field(ge=0, le=1), described("Share of goldens that may go stale with one candidate; above it: inconclusive.")
    ] = GateParameters.max_newly_stale_share
    critical_losses: Annotated[
        int, Field(ge=1), described("So many critical goldens lost on balance, or stale with the candidate, need a person; twice alpha makes lost ones a regression.")
    ] = GateParameters.critical_losses
    resamples: Annotated[int, Field(ge=1000), described("Resamples of the permutation test and the bootstrap.")] = GateParameters.resamples
    seed: Annotated[int, Field(ge=0), described("Seed of both: the same scores give the same verdict.")] = GateParameters.seed

    @field_validator("floors", mode="before")  # after it, a union of types would say the same mistake twice
    @classmethod
    def _can_be_meant(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise ValueError("a mapping from slices to least means belongs here")  # noqa: TRY004  pydantic's
        try:
            GateParameters(floors=value)
        except ConfigError as error:
            raise ValueError(f"{error.where.removeprefix('gate.')}: {error.found}; expected {error.expected}") from error
        return value


class GateModel(GoldenGateModel):
    """What must hold before a release is promoted: the golden gate, and the limits of the others."""

    max_failed_share: Annotated[float, Field(ge=0, le=1), described("Share of documents that may fail to parse.")] = GateLimits.max_failed_share
    index_recall: Annotated[float, Field(gt=0, le=1), described("Recall@10 of the index against exact search.")] = GateLimits.index_recall
    max_churn_share: Annotated[
        float, Field(ge=0, le=1), described("Share of a source's documents, chunks or metadata that one candidate may remove or change.")
    ] = GateLimits.max_churn_share
    min_churn_documents: Annotated[int, Field(ge=1), described("Fewer removed and changed documents than this never count.")] = GateLimits.min_churn_documents
    min_churn_chunks: Annotated[int, Field(ge=1), described("Fewer removed and changed chunks than this never count.")] = GateLimits.min_churn_chunks
    max_duplicate_share: Annotated[float, Field(ge=0, le=1), described("Share of text repeated across documents, first release.")] = GateLimits.max_duplicate_share
    max_duplicate_growth: Annotated[float, Field(ge=0, le=1), described("By how much that share may exceed the live one's.")] = GateLimits.max_duplicate_growth
    min_duplicates: Annotated[int, Field(ge=1), described("Repeated text in fewer documents than this never counts.")] = GateLimits.min_duplicates
    max_age_days: Annotated[int, Field(ge=0), described("Days since a source last delivered something; older warns.")] = GateLimits.max_age_days
    max_latency_ms: Annotated[float, Field(gt=0), described("Milliseconds within which 95 of 100 searches answer; slower warns.")] = GateLimits.max_latency_ms
    judge: Annotated[
        JudgeModel | None, described("Judged answers, where KB_JUDGE_URL names a judge; `{}` takes the defaults, nothing judges none.")
    ] = None
    required_gates: Annotated[
        list[str] | None, described("Gates that must pass; all but the advisory ones if left out. Integrity gates cannot be left out.")
    ] = None

    allow_no_goldens: Annotated[
        bool, described("Let a release without any golden query follow one that was judged by some; otherwise that is inconclusive.")
    ] = False

    @field_validator("required_gates")
    @classmethod
    def _are_gates(cls, value: list[str] | None) -> list[str] | None:
        try:
            check_required(tuple(value) if value is not None else None)
        except ConfigError as error:
            raise ValueError(f"{error.found}; expected {error.expected}") from error
        return value


def to_gate(model: GoldenGateModel) -> dict[str, Any]:
    """Return what the golden gate is parametrized with."""
    found = {name: getattr(model, name) for name in GoldenGateModel.model_fields}
    return found | {"secondary": tuple(model.secondary)}


def to_limits(model: GateModel) -> GateLimits:
    """Return the limits of the other gates."""
    return GateLimits(**{f.name: getattr(model, f.name) for f in fields(GateLimits)})
