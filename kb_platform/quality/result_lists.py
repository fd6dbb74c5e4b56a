"""Beside each query that changed most or is not answered, what the candidate and what the live release found: what a person asks for first."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from kb_platform.quality.found_chunks import FoundChunk

KINDS = ("worse", "better", "unanswered")
MOST = 20
SHOWN = 5  # hits of a list; an answer counts as found among the first five

Found = Mapping[str, Sequence[FoundChunk]]


def with_result_lists(evidence: Mapping[str, Any], candidate: Found, live: Found) -> dict[str, Any]:
    """Return a verdict's evidence (GateVerdict.to_dict) with both lists at the first queries of each kind."""
    return {**evidence, **{kind: [_with_lists(n, change, candidate, live) for n, change in enumerate(evidence[kind])] for kind in KINDS}}


def _with_lists(number: int, change: Mapping[str, Any], candidate: Found, live: Found) -> dict[str, Any]:
    if number >= MOST:
        return dict(change)
    query = change["query"]
    return {**change, "results": {"candidate": _listed(candidate.get(query, ())), "live": _listed(live.get(query, ()))}}


def _listed(chunks: Sequence[FoundChunk]) -> list[dict[str, Any]]:
    return [asdict(chunk) for chunk in chunks[:SHOWN]]
