"""Documents cut into chunks that fit the model and stay put when the document is edited.

Packing sentences until a chunk is full moves every later border when one word is added. Here a border depends only on the text
around it: all places where the text may be cut are taken in one fixed order (best kind first, then by a hash of the words that
follow), and each becomes a cut if the piece around it is still too long and neither side gets too short. An edit then changes
the piece it falls in and, seldom, a neighbour. The idea is that of a treap (Seidel and Aragon, 1996), whose shape follows from
random priorities and not from the order of insertion; rsync-like content-defined chunking has the same aim for bytes.

A heading opens a chunk of its own whatever the length, unless a side would be tiny. Pieces do not overlap, and every character
that is not blank is in one. The context (title, headings, column names, declared metadata) is read by the model in front of the
content; it has a fixed share of the model's tokens, so that renaming a title moves no cut.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from kb_platform.index.chunk_context import context_of, declared_values
from kb_platform.index.outline import Outline, Rank, read_outline
from kb_platform.index.tokens import LARGEST_UNIT, ModelTokenizer, Words
from kb_platform.knowledge.documents import Chunk, Document
from kb_platform.knowledge.errors import ConfigError
from kb_platform.knowledge.versions import CHUNKER_VERSION

_CLAUSE_ENDS = ",;:、，；"
_HASHED = 48  # characters behind a boundary that decide its place in the order


@dataclass(frozen=True)
class ChunkParameters:
    """Sizes in the model's tokens.

    `max_tokens` is what the model reads, special tokens included; content gets at most `content_tokens` and the context what is
    left. A heading cuts if both sides have `section_min`, anything else if both have `piece_min`; the latter must be below half
    of `content_tokens`. A table row is cut only where it is longer than `content_tokens` alone.
    """

    max_tokens: int = 256
    content_tokens: int = 200
    section_min: int = 32
    piece_min: int = 64

    def __post_init__(self) -> None:
        """Refuse sizes that cannot hold: ConfigError."""
        if not (LARGEST_UNIT <= self.content_tokens < self.max_tokens and 0 < 2 * self.piece_min <= self.content_tokens):
            raise ConfigError(
                f"chunk sizes {self}",
                expected=f"{LARGEST_UNIT} <= content_tokens < max_tokens and piece_min at most half of content_tokens",
            )

    @property
    def fingerprint(self) -> str:
        """Return what the embedding space records: version and sizes."""
        return f"{CHUNKER_VERSION}:{self.max_tokens}:{self.content_tokens}:{self.section_min}:{self.piece_min}"


def chunk_document(
    document: Document, *, tokenizer: ModelTokenizer, params: ChunkParameters, context_fields: Sequence[str] = ()
) -> list[Chunk]:
    """Cut a document's text; `context_fields` names metadata that joins the context of every chunk.

    Returns chunks in text order. A text without tokens (blank, or invisible characters only) has none: what a document without
    a body is worth is decided where it is parsed. Linear in the length of the text, and independent of everything else.
    """
    text = document.text
    words = tokenizer.words(text)
    if not len(words):
        return []
    outline = read_outline(text)
    cuts = _cut(text, words, outline, params)
    spans = [_stripped(text, start, end) for start, end in zip(cuts, [*cuts[1:], len(text)], strict=True)]
    lines = 2 * tokenizer.count("\n")  # ends of the context's two: nothing to WordPiece, a token each to others
    room = params.max_tokens - params.content_tokens - tokenizer.special_tokens - lines
    declared = declared_values(document, context_fields)
    contexts: dict[tuple[str, ...], str] = {}
    chunks = []
    for start, end in (span for span in spans if span[0] < span[1]):
        path = (*outline.path_at(start), outline.columns_at(start))
        if path not in contexts:
            contexts[path] = context_of(document.title, path, declared, tokenizer, room)
        chunks.append(Chunk(len(chunks), start, end, text[start:end], contexts[path]))
    return chunks


class _Cuts:
    """The cuts between two units; a proposed one is taken if the piece around it is longer than wanted and both sides are large."""

    def __init__(self, before: list[int], start: int, end: int) -> None:
        self._before = before
        self.units = [start, end]

    def propose(self, unit: int, *, longer_than: int, least: int) -> None:
        right = bisect_left(self.units, unit)
        if self.units[right] == unit:
            return
        start, middle, end = (self._before[u] for u in (self.units[right - 1], unit, self.units[right]))
        if end - start > longer_than and min(middle - start, end - middle) >= least:
            self.units.insert(right, unit)


def _cut(text: str, words: Words, outline: Outline, params: ChunkParameters) -> list[int]:
    """Return the character positions at which pieces begin."""
    cuts = _Cuts(words.before, 0, len(words))
    for unit, rank in _in_order(text, words, outline):
        if rank == Rank.HEADING:
            cuts.propose(unit, longer_than=0, least=params.section_min)
        elif rank == Rank.ROW:
            cuts.propose(unit, longer_than=params.content_tokens, least=1)
        else:
            cuts.propose(unit, longer_than=params.content_tokens, least=params.piece_min)
    pieces = []
    for start, end in pairwise(cuts.units):
        pieces += [start, *_cut_between_words(text, words, start, end, params)]
    return [words.starts[unit] for unit in pieces]


def _in_order(text: str, words: Words, outline: Outline) -> Iterable[tuple[int, Rank]]:
    """Return units that begin at a boundary, best first."""
    ordered = []
    for boundary in outline.boundaries:
        unit = bisect_left(words.starts, boundary.position)
        if 0 < unit < len(words) and words.ends[unit - 1] <= boundary.position:
            ordered.append((boundary.rank, boundary.level, _priority(text, words.starts[unit]), unit))
    return ((unit, rank) for rank, _, _, unit in sorted(ordered))


def _cut_between_words(text: str, words: Words, start: int, end: int, params: ChunkParameters) -> list[int]:
    """Return the cuts inside a piece that no boundary could make short enough: a giant sentence, a blob, text without stops."""
    before, limit = words.before, params.content_tokens
    if before[end] - before[start] <= limit:
        return []
    cuts = _Cuts(before, start, end)
    inside_clause = {unit: text[words.ends[unit - 1] - 1] not in _CLAUSE_ENDS for unit in range(start + 1, end)}
    for unit in sorted(inside_clause, key=lambda u: (inside_clause[u], _priority(text, words.starts[u]), u)):
        cuts.propose(unit, longer_than=limit, least=params.piece_min)
    kept = [start]
    for unit in cuts.units[1:]:
        while before[unit] - before[kept[-1]] > limit:  # large units left no place with the least size on both sides
            kept.append(bisect_left(before, before[kept[-1]] + limit + 1, kept[-1], unit) - 1)
        kept.append(unit)
    return kept[1:-1]


def _priority(text: str, position: int) -> bytes:
    return hashlib.blake2b(text[position : position + _HASHED].encode(), digest_size=8).digest()


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip())
