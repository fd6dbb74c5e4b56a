"""How a chunk's two scores become one: a convex combination on fixed scales.

    score = dense_weight * cosine + (1 - dense_weight) * BM25 / the question's greatest possible BM25

This is the "theoretical" normalisation of Bruch, Gai and Ingber, "An analysis of fusion functions for hybrid retrieval" (TOIS
2023), with 0 kept as the cosine's lower end. No scale depends on what else was found. So the lexical side carries its own
confidence: a chunk that has every word of the question, a code or a declared synonym say, stands far above the rest, and where
most words are unknown all lexical scores are low and the cosine decides; a weight that depends on the question is not needed.
A score means the same at every depth of the candidate lists. And a leg that found nothing good is not stretched to the full
scale, as ranks, min-max and division by the best hit do. nDCG@10 on MedQuAD (368 pages; 622 questions, 113 that name a synonym
which the page lacks, and the same with the synonyms as searchable metadata):

    BM25 alone                           0.956   0.530   0.888
    cosine alone                         0.969   0.599   0.599
    reciprocal ranks                     0.968   0.630   0.817
    divided by the best hit, best weight 0.974   0.643   0.914
    this, dense_weight 0.55              0.976   0.654   0.924

Every candidate of either leg gets both scores, exactly: nothing is imputed for a chunk that one leg did not list. The arithmetic
runs in the database (storage), in the statement that finds the candidates, of which this is the shape:

    with near as materialized (select id from chunk where <release> order by embedding <=> :vector limit :depth),
         worded as materialized (select id from chunk where <release> and terms && :lookup
                                 order by term_weights <#> :weights limit :depth)
    select id, :dense_weight * (1 - (embedding <=> :vector)) - (1 - :dense_weight) * (term_weights <#> :weights) as score
    from (select id from near union select id from worded) both_legs join chunk using (id) order by score desc, id limit :k

`<#>` is the negative inner product, and `:weights` are shares of the ceiling (`WeighedQuestion.weights`). `fuse` is the reference
that the statement is tested against; it also serves vectors that are at hand outside of the database.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import NamedTuple

from kb_platform.knowledge.errors import ConfigError


@dataclass(frozen=True)
class FusionParameters:
    """What a knowledge base may tune about search without indexing anew.

    Attributes:
        dense_weight: share of the cosine in the score, 0 (words only) to 1 (vectors only). From 0.5 to 0.65 the figures above
            move by less than 0.01; less favours exact names, more favours paraphrases.
        depth: candidates from each leg; 100 and 200 gave the same figures.
        lookup_rows: about how many chunks the lexical leg scores at most. Its candidates are found through the rarest terms of
            the question; the others only add to their scores. A twelfth of all chunks gave the same fused figures as all.

    Raises:
        ConfigError: a value is out of its range.
    """

    dense_weight: float = 0.55
    depth: int = 100
    lookup_rows: int = 5000

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 <= self.dense_weight <= 1:
            raise ConfigError(f"dense_weight is {self.dense_weight!r}", where="search", expected="a number from 0 to 1")
        for name in ("depth", "lookup_rows"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ConfigError(f"{name} is {value!r}", where="search", expected="a whole number from 1")

    @classmethod
    def from_settings(cls, settings: Mapping[str, float]) -> "FusionParameters":
        """Return the parameters that a knowledge base's `search` section names, the others at their defaults.

        Raises:
            ConfigError: an unknown name, or a value out of its range.
        """
        known = {field.name: field.type for field in fields(cls)}
        unknown = sorted(settings.keys() - known.keys())
        if unknown:
            raise ConfigError(f"unknown: {', '.join(unknown)}", where="search", expected=f"one of {', '.join(known)}")
        whole = {name: int(value) for name, value in settings.items() if known[name] is int and float(value).is_integer()}
        return cls(**{**settings, **whole})


DEFAULTS = FusionParameters()


class Candidate(NamedTuple):
    """A chunk of either leg with both its scores: cosine (-1 to 1), and BM25 as a share of the question's ceiling (0 to 1)."""

    chunk_id: int
    dense: float
    lexical: float


def lookup_terms(df: Mapping[int, int], params: FusionParameters = DEFAULTS) -> list[int]:
    """Return the terms through which the lexical leg finds candidates: the rarest, until `lookup_rows` chunks hold one.

    The rarest term that any chunk holds is always among them, however common it is. `df` is the number of chunks by term id.
    """
    chosen: list[int] = []
    rows = 0
    for count, term in sorted((count, term) for term, count in df.items() if count > 0):
        rows += count
        if chosen and rows > params.lookup_rows:
            break
        chosen.append(term)
    return chosen


def fused_score(dense: float, lexical: float, params: FusionParameters = DEFAULTS) -> float:
    """Return the combination of a cosine and a BM25 share."""
    return params.dense_weight * dense + (1 - params.dense_weight) * lexical


def fuse(candidates: Iterable[Candidate], params: FusionParameters = DEFAULTS) -> list[tuple[int, float]]:
    """Return chunk ids with their scores, best first; ties go to the lower id, and a chunk that both legs list counts once."""
    scores = {c.chunk_id: fused_score(c.dense, c.lexical, params) for c in candidates}
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))


def best_by_document(ranked: Iterable[tuple[int, float]], document_of: Mapping[int, str]) -> list[tuple[str, float]]:
    """Return documents by their best chunk, in the order of `ranked`; `document_of` maps chunk ids."""
    found: dict[str, float] = {}
    for chunk_id, score in ranked:
        found.setdefault(document_of[chunk_id], score)
    return list(found.items())
