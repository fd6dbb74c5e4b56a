"""Every golden's measures on two releases, small enough to be kept with each report.

A golden with one passage has as many outcomes as there are ranks, so a table names each distinct row of measures once: ten thousand
goldens on two releases take some 200 KB of JSON, and every figure stays exact.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from kb_platform.quality.metrics import PerQuery


@dataclass(frozen=True)
class QueryScores:
    """Golden `queries[i]` has the measures `rows[candidate[i]]` and `rows[live[i]]`; None where it could not be judged there."""

    queries: tuple[str, ...]
    measures: tuple[str, ...]
    rows: tuple[tuple[float, ...], ...]
    candidate: tuple[int | None, ...]
    live: tuple[int | None, ...]

    @classmethod
    def of(cls, candidate: PerQuery, live: PerQuery | None) -> "QueryScores":
        """Return the table of both releases; goldens by id, rows in the order of their figures."""
        sides = (candidate, live or {})
        measures = tuple(next((row for side in sides for row in side.values()), {}))
        queries = tuple(sorted({query for side in sides for query in side}))
        rows = tuple(sorted({_row(scores, measures) for side in sides for scores in side.values()}, reverse=True))
        place = {row: number for number, row in enumerate(rows)}

        def column(side: PerQuery) -> tuple[int | None, ...]:
            return tuple(place[_row(side[query], measures)] if query in side else None for query in queries)

        return cls(queries, measures, rows, column(candidate), column(live or {}))

    def differences(self, measure: str) -> list[float]:
        """Return candidate minus live of a measure, for the goldens that both were judged by."""
        at = self.measures.index(measure)
        pairs = zip(self.candidate, self.live, strict=True)
        return [self.rows[a][at] - self.rows[b][at] for a, b in pairs if a is not None and b is not None]


def _row(scores: Mapping[str, float], measures: tuple[str, ...]) -> tuple[float, ...]:
    return tuple(float(scores[measure]) for measure in measures)
