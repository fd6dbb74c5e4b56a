"""Documents with the same text take one place in a ranking that is judged by documents.

Whoever judged one of twenty copies of a leaflet judged its text, and whichever copy was found answers the question.
"""

from collections.abc import Mapping
from typing import TypeVar

from kb_platform.quality.metrics import Qrels, Run

V = TypeVar("V", int, float)


def one_place_each(run: Run, qrels: Qrels, copies: Mapping[str, str]) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, int]]]:
    """Return a run and its judgments with each text once: where its best document stood, with its highest grade.

    `copies` maps each document whose text others have too to the id that stands for all of them.
    """
    ranked = {query: _highest(found, copies) for query, found in run.items()}
    return ranked, {query: _highest(grades, copies) for query, grades in qrels.items()}


def _highest(values: Mapping[str, V], copies: Mapping[str, str]) -> dict[str, V]:
    found: dict[str, V] = {}
    for document, value in values.items():
        text = copies.get(document, document)
        found[text] = max(value, found.get(text, value))
    return found
