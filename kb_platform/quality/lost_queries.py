"""Which goldens a person should look at first, from a stored verdict's evidence: lost against live, then those that are not answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kb_platform.quality.evidence import ANSWERED
from kb_platform.quality.golden import ALL_SLICE, CRITICAL_SLICE, Severity

KINDS = ("worse", "unanswered")
Query = Mapping[str, Any]


@dataclass(frozen=True)
class LostInSlice:
    """The goldens of a slice that got worse, and those that are not answered; `goldens` were judged, `live` is None without a live release."""

    slice: str
    goldens: int
    answered: float
    live: float | None
    worse: tuple[str, ...]
    unanswered: tuple[str, ...]


def worst_first(evidence: Mapping[str, Any]) -> list[Query]:
    """Return the goldens that got worse, the largest loss first, and then the others that are not answered."""
    worse = list(evidence.get("worse", ()))
    named = {query["query"] for query in worse}
    return [*worse, *(query for query in evidence.get("unanswered", ()) if query["query"] not in named)]


def lost_by_slice(evidence: Mapping[str, Any]) -> list[LostInSlice]:
    """Return what was lost or is not answered, slice by slice, `all` first; slices without either are left out."""
    scores = [score for score in evidence.get("slice_scores", ()) if score["measure"] == ANSWERED]
    found = [LostInSlice(score["slice"], score["queries"] or 0, score["candidate"], score["live"],
                         *(_in_slice(evidence.get(kind, ()), score["slice"]) for kind in KINDS)) for score in scores]
    return [lost for lost in found if lost.worse or lost.unanswered]


def _in_slice(queries: Sequence[Query], name: str) -> tuple[str, ...]:
    return tuple(query["query"] for query in queries if name in _slices(query))


def _slices(query: Query) -> tuple[str, ...]:
    critical = (CRITICAL_SLICE,) if query["severity"] == Severity.CRITICAL else ()
    return (ALL_SLICE, *critical, *query["slices"])
