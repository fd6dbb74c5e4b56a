"""The lexical side of the index: tokens, term ids, and BM25F weights for chunks and questions.

Postgres ranks full text without document frequencies, so BM25 is computed here and kept as a sparse vector a chunk: the chunk's
side (`weigh_document`) is the saturated term frequency, the question's side (`weigh_question`) the inverse document frequency,
and the score is their inner product. Field boosts and field lengths follow BM25F: Robertson, Zaragoza and Taylor, "Simple BM25
extension to multiple weighted fields" (CIKM 2004); Robertson and Zaragoza, "The probabilistic relevance framework: BM25 and
beyond" (2009), sections 3.4 and 3.6. The factor k1 + 1 is left out, as in Lucene: a weight then stays below 1, and the sum of a
question's weights bounds every score. Scores are given as shares of that bound, which makes them comparable with cosines
(index/fusion.py says why that matters).

Average field lengths are constants of the parameters and not measured on the corpus: a refresh must not change the weights of
chunks that it does not touch. Only document frequencies follow the corpus, and those are read when a question is asked.

A term is a number from 1 to 10^9 (the range of pgvector's sparse vectors): a hash of the stem. Of 100,000 different stems about
five pairs share a number and are then scored as one term. English only: other languages are split and folded, but not stemmed.
"""

import hashlib
import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from functools import lru_cache

from Stemmer import Stemmer

from kb_platform.knowledge.documents import Chunk, Document
from kb_platform.knowledge.versions import TOKENIZER_VERSION

TERM_SPACE = 1_000_000_000
STOP_WORDS = frozenset((
    "a", "about", "am", "an", "and", "are", "arent", "as", "at", "be", "been", "but", "by", "can", "cant", "could", "did",
    "didnt", "do", "does", "doesnt", "dont", "for", "from", "had", "has", "have", "he", "her", "his", "how", "i", "if", "im",
    "in", "into", "is", "isnt", "it", "its", "ive", "me", "my", "no", "not", "of", "on", "or", "our", "she", "should", "so",
    "such", "than", "that", "the", "their", "them", "then", "there", "these", "they", "this", "those", "to", "was", "we",
    "were", "what", "when", "where", "which", "who", "whom", "whose", "why", "will", "with", "would", "you", "your",
))

_LONGEST = 64  # characters of a token; longer runs are encoded data, not words
_FOLD = str.maketrans(dict.fromkeys("\u2018\u2019\u02bc", "'") | dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-")
                      | dict.fromkeys([*range(0x300, 0x370), 0xAD, 0x200B, 0x200C, 0x200D, 0xFEFF]))
_SURFACE = re.compile(r"[^\W_]+(?:[-/.'][^\W_]+)*")
_SEPARATOR = re.compile(r"[-/.]")
_CODE = re.compile(r"([a-z]{1,5})([0-9]{1,6}[a-z]?)")
_ACRONYM = re.compile(r"\b[A-Z]{2,}\b|(?<=[a-z] )A\b")  # those that are no stop words otherwise are words already
_stemmer = Stemmer("english", 0)  # no cache of its own: _stems keeps the results


@dataclass(frozen=True)
class Field:
    """How one field counts: `boost` multiplies its term frequencies, `b` (0 to 1) is how far they shrink with its length.

    `average` is the length in tokens at which nothing shrinks or grows.
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


def tokenize(text: str) -> list[str]:
    """Return the stems of a text, stop words left out; order is that of the text except for acronyms, which come last.

    Case, accents, typographic quotes and dashes make no difference. Codes give their parts and the whole: "PH-114", "PH 114" and
    "ph114" share `ph` and `114`, the first and the last also `ph114`. A stop word in capitals (OR, WHO, hepatitis A) is a word of
    its own unless the whole text is in capitals.
    """
    folded = text.lower() if text.isascii() else unicodedata.normalize("NFKD", text).translate(_FOLD).casefold()
    tokens: list[str] = []
    for surface in _SURFACE.findall(folded):
        tokens += _stems(surface)
    if not text.isupper():
        tokens += [word for word in map(str.lower, _ACRONYM.findall(text)) if word in STOP_WORDS]
    return tokens


@lru_cache(maxsize=1 << 18)
def _stems(surface: str) -> tuple[str, ...]:
    """Return the stems of one run of letters, digits and inner punctuation, lower case."""
    word = surface.removesuffix("'s").replace("'", "")
    parts = _SEPARATOR.split(word)
    if len(parts) == 1:
        code = _CODE.fullmatch(word)
        return (*code.groups(), word) if code else _stem(word)
    joined = "".join(parts)
    if "-" not in word and "/" not in word and (joined.isdigit() or len(joined) == len(parts)):
        return (word,) if joined.isdigit() else _stem(joined)  # 164.512; u.s
    whole = (joined,) if any(c.isdigit() for c in joined) and len(joined) <= _LONGEST else ()
    return (*(stem for part in parts for stem in _stem(part)), *whole)


def _stem(word: str) -> tuple[str, ...]:
    return () if word in STOP_WORDS or len(word) > _LONGEST else (_stemmer.stemWord(word),)


@lru_cache(maxsize=1 << 18)
def term_id(token: str) -> int:
    """Return the number of a token, 1 to 10^9, the same on every machine (first 8 bytes of BLAKE2b)."""
    return int.from_bytes(hashlib.blake2b(token.encode(errors="surrogatepass"), digest_size=8).digest()) % TERM_SPACE + 1


def chunk_fields(document: Document, chunk: Chunk, searchable: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the fields of a chunk as `weigh_document` takes them; `searchable` names metadata that joins them."""
    title = " ".join(document.title.split())
    found = (document.metadata.get(name, ()) for name in searchable)
    values = [text for entry in found for text in ([entry] if isinstance(entry, str) else entry)]
    place = chunk.context.split("\n", 1)[0].removeprefix(title)
    return {"title": title, "heading": place, "metadata": "\n".join(values), "body": chunk.content}


def weigh_document(fields: Mapping[str, str], params: LexicalParameters = DEFAULTS) -> tuple[list[int], list[float]]:
    """Return the term ids of a chunk, ascending, and their BM25F weights, each above 0 and below 1.

    `fields` has texts under the names of the parameters' fields; one that is missing is empty. Raises AttributeError for another.
    """
    frequency: defaultdict[int, float] = defaultdict(float)
    for name, text in fields.items():
        field: Field = getattr(params, name)
        tokens = tokenize(text)
        share = field.boost / (1 - field.b + field.b * len(tokens) / field.average)
        for token, count in Counter(tokens).items():
            frequency[term_id(token)] += count * share
    terms = sorted(frequency)
    return terms, [frequency[term] / (params.k1 + frequency[term]) for term in terms]


def question_terms(question: str) -> dict[int, int]:
    """Return how often each term stands in a question, by term id; empty if all of it is stop words."""
    return dict(Counter(term_id(token) for token in tokenize(question)))


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
