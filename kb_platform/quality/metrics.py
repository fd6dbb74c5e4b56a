"""Retrieval measures under their ir-measures names, computed by ir-measures (MacAvaney, Macdonald, Ounis: ECIR 2022).

Runs are re-ranked here before the library sees them: its providers break ties differently (trec_eval by descending id, the
MS MARCO provider by order of arrival) and trec_eval reads scores as 32-bit floats, which makes ties of its own. The library is
imported on use: it costs 60 ms and nothing of it is needed to load definitions.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kb_platform.knowledge.errors import ConfigError

MEASURES = ("nDCG@10", "R@10", "RR@10", "Success@1", "Success@5")

Qrels = Mapping[str, Mapping[str, int]]
Run = Mapping[str, Mapping[str, float]]
PerQuery = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class RunMetrics:
    """Measures of one run: `per_query[query][measure]` and the arithmetic mean over all judged queries."""

    per_query: dict[str, dict[str, float]]
    mean: dict[str, float]

    @property
    def queries(self) -> int:
        """Return how many judged queries the means are over."""
        return len(self.per_query)


def rank(scores: Mapping[str, float]) -> list[str]:
    """Return ids by descending score; equal scores by descending id, which is trec_eval's order."""
    if any(math.isnan(score) for score in scores.values()):
        raise ValueError("a run holds a score that is not a number")
    return sorted(sorted(scores, reverse=True), key=lambda item: -scores[item])


def evaluate_run(qrels: Qrels, run: Run, measures: Sequence[str] = MEASURES) -> RunMetrics:
    """Return the measures of a run against judgments.

    Every query of the qrels counts, those that the run does not answer with 0; queries without judgments are left out, as TREC
    does. Grades above 0 are relevant; nDCG uses them as linear gains.

    Raises:
        ConfigError: no query is judged, or a measure is unknown.
    """
    if not qrels:
        raise ConfigError("no query is judged", where="qrels", expected="at least one judgment")
    import ir_measures

    parsed = _parse_measures(measures)
    ranks = {query: {item: -float(place) for place, item in enumerate(rank(run.get(query, {})))} for query in qrels}
    judged = {query: dict(grades) for query, grades in qrels.items()}
    per_query = {query: dict.fromkeys(measures, 0.0) for query in sorted(qrels)}
    for metric in ir_measures.iter_calc(list(parsed), judged, ranks):
        per_query[metric.query_id][parsed[metric.measure]] = float(metric.value)
    return RunMetrics(per_query, mean_of(per_query, measures))


def mean_of(per_query: PerQuery, measures: Sequence[str]) -> dict[str, float]:
    """Return the arithmetic mean of each measure; empty where there is no query."""
    if not per_query:
        return {}
    return {measure: math.fsum(row[measure] for row in per_query.values()) / len(per_query) for measure in measures}


def _parse_measures(names: Sequence[str]) -> dict[Any, str]:
    import ir_measures

    parsed: dict[Any, str] = {}
    for name in names:
        try:
            measure = ir_measures.parse_measure(name)
            supported = ir_measures.DefaultPipeline.supports(measure)
        except Exception as error:  # the parser raises what its grammar happens to trip over
            raise ConfigError(f"unknown measure {name!r}", expected=f"ir-measures names such as {', '.join(MEASURES)}") from error
        if not supported:
            raise ConfigError(f"the measure {name!r} cannot be computed here", expected=f"one such as {', '.join(MEASURES)}")
        parsed[measure] = name
    return parsed
