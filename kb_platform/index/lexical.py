"""The lexical side of the index: BM25F weights of terms, for chunks and questions. Which terms a text has: analysis/analyzers.py.

Postgres ranks full text without document frequencies, so BM25 is computed here and kept as a sparse vector a chunk: the chunk's
side (`weigh_document`) is the saturated term frequency, the question's side (`weigh_question`) the inverse document frequency,
and the score is their inner product. Field boosts and field lengths follow BM25F: Robertson, Zaragoza and Taylor, "Simple BM25
extension to multiple weighted fields" (CIKM 2004); Robertson and Zaragoza, "The probabilistic relevance framework: BM25 and
beyond" (2009), sections 3.4 and 3.6. The factor k1 + 1 is left out, as in Lucene: a weight then stays below 1, and the sum of a
question's weights bounds every score. Scores are given as shares of that bound, which makes them comparable with cosines
(index/fusion.py says why that matters).

Average field lengths are constants of the parameters and not measured on the corpus: a refresh must not change the weights of
chunks that it does not touch. Only document frequencies follow the corpus, and those are read when a question is asked.

A chunk is scored by the terms of its own analyzer alone, as a share of what the question asks for in that one: so a question can be
put to documents of several languages, and to those of an older analyzer, at once.
"""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from itertools import chain

from kb_platform.index.analysis.analyzers import Analyzer
from kb_platform.knowledge.documents import Chunk, Document
from kb_platform.knowledge.versions import TOKENIZER_VERSION


@dataclass(frozen=True)
class Field:
    """How one field counts: `boost` multiplies its term frequencies, `b` (0 to 1) is how far they shrink with its length.

    `average` is the length in words at which nothing shrinks or grows.
    """

    boost: float
    b: float
    average: float


@dataclass(frozen=True)
class LexicalParameters:
    """BM25F's parameters.

    The defaults lie on a plateau: k1 from 0.6 to 1.2, the body's b from 0 to 0.75 and a title boost from 2 to 3 change nDCG@10 of
    the fused search on MedQuAD by less than 0.01.

    Chunks are cut to similar lengths, so the body's `b` is below the usual 0.75. Title and metadata stand on every chunk of their
    document. `k1` is at the low end of the usual 0.9 to 2: in a short chunk, a term's second occurrence says little.
    """

    k1: float = 0.9
    title: Field = Field(boost=2.0, b=0.5, average=4.0)
    heading: Field = Field(boost=1.0, b=0.0, average=2.0)
    metadata: Field = Field(boost=2.0, b=0.5, average=10.0)
    body: Field = Field(boost=1.0, b=0.25, average=70.0)

    @property
    def fingerprint(self) -> str:
        """Return what decides a chunk's weights besides its text."""
        return f"{TOKENIZER_VERSION}:{hashlib.sha256(repr(astuple(self)).encode()).hexdigest()[:8]}"


DEFAULTS = LexicalParameters()
LEXICAL_VERSION = DEFAULTS.fingerprint


@dataclass(frozen=True)
class WeighedQuestion:
    """A question's side of BM25: weights by term id, as shares of `ceiling`, the BM25 score that no chunk can reach.

    A score is then between 0 and 1 and says how much of the question a chunk has. `weights` names only terms that some chunk
    holds; the others count in the ceiling, so that a question of which little is known has low scores throughout.
    """

    weights: Mapping[int, float]
    ceiling: float


def chunk_fields(document: Document, chunk: Chunk, searchable: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the fields of a chunk as `weigh_document` takes them; `searchable` names metadata that joins them."""
    title = " ".join(document.title.split())
    found = (document.metadata.get(name, ()) for name in searchable)
    values = [text for entry in found for text in ([entry] if isinstance(entry, str) else entry)]
    place = chunk.context.split("\n", 1)[0].removeprefix(title)
    return {"title": title, "heading": place, "metadata": "\n".join(values), "body": chunk.content}


def weigh_document(fields: Mapping[str, str], analyzer: Analyzer, params: LexicalParameters = DEFAULTS) -> tuple[list[int], list[float]]:
    """Return the term ids of a chunk, ascending, and their BM25F weights, each above 0 and below 1; its analyzer's mark has 1.

    `fields` has texts under the names of the parameters' fields; one that is missing is empty. Raises AttributeError for another.
    """
    frequency: defaultdict[int, float] = defaultdict(float)
    for name, text in fields.items():
        field: Field = getattr(params, name)
        places = analyzer.indexed(text)
        share = field.boost / (1 - field.b + field.b * len(places) / field.average)
        for token, count in Counter(chain.from_iterable(places)).items():
            frequency[analyzer.term_id(token)] += count * share
    weights = {term: found / (params.k1 + found) for term, found in frequency.items()}
    if analyzer.name:
        weights[analyzer.mark] = 1.0
    terms = sorted(weights)
    return terms, [weights[term] for term in terms]


def question_terms(question: str, analyzer: Analyzer) -> dict[int, int]:
    """Return how often each term stands in a question, by term id; empty if all of it is stop words."""
    return dict(Counter(analyzer.term_id(token) for token in chain.from_iterable(analyzer.asked(question))))


def weigh_question(terms: Mapping[int, int], df: Mapping[int, int], chunks: int) -> WeighedQuestion:
    """Weigh a question's terms: frequency in the question times inverse document frequency.

    `df` says how many of the `chunks` live chunks hold a term. The idf is that of Robertson and Sparck Jones with 1 added inside
    the logarithm, as in Lucene, so that a term of more than half of the chunks does not count against them.
    """
    weights = {term: count * inverse_frequency(df.get(term, 0), chunks) for term, count in terms.items()}
    ceiling = sum(weights.values())
    return WeighedQuestion({term: weight / ceiling for term, weight in weights.items() if df.get(term)}, ceiling)


def inverse_frequency(df: int, chunks: int) -> float:
    """Return ln(1 + (N - df + 0.5) / (df + 0.5))."""
    return math.log1p((chunks - df + 0.5) / (df + 0.5))
