"""Text measured in the model's own tokens.

A model reads a fixed number of WordPiece tokens, so the model's tokenizer does the counting: another tokenizer's count (cl100k
is off by a fifth on English) loses the end of nearly every chunk without a word. A document is tokenized once, with offsets;
every later question (how long is this piece?) is a subtraction.

Pieces must cost what they cost inside the whole, so text is cut between words only. Two things are not words to a reader but are
to the tokenizer: a run of letters without a space (a base64 blob, Thai), which becomes one [UNK] beyond 100 characters, and long
stretches that it ignores. Both are offered for cutting every `SLICE` characters, at a cost that bounds what any piece can cost.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from kb_platform.knowledge.errors import ConfigError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SLICE = 128  # characters; above the 100 beyond which WordPiece gives up on a word
LONGEST_WORD = 100
LARGEST_UNIT = SLICE  # tokens that one unit can cost at most, and therefore the least size of a piece that can always be cut
SLICE_COST = 32  # tokens charged for a slice, so that a 2 MB blob becomes many chunks and not one
WINDOW = 65_536  # characters tokenized at a time: offsets of a whole 100 MB document would not fit in memory


@dataclass(frozen=True)
class Words:
    """Where a text may be cut: `starts[i]` begins unit i; `before[i]` tokens stand before it (one entry more: the total)."""

    starts: list[int]
    ends: list[int]
    before: list[int]

    def __len__(self) -> int:
        """Return the number of units."""
        return len(self.starts)


class ModelTokenizer:
    """The tokenizer of a model folder, without the truncation and padding that its file asks for.

    Text that spells a special token ("[SEP]") is read as text, never as the token.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def tokenizer(self) -> "Tokenizer":
        """Load `tokenizer.json`; ConfigError if it cannot be read."""
        from tokenizers import Tokenizer

        path = self.folder / "tokenizer.json"
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # tokenizers raises bare Exception
            raise ConfigError(str(error), where=str(path), expected="a tokenizer in Hugging Face's JSON format") from error
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True
        return tokenizer

    @cached_property
    def special_tokens(self) -> int:
        """Return how many tokens the model adds to every text."""
        return self.tokenizer.num_special_tokens_to_add(is_pair=False)

    def count(self, text: str) -> int:
        """Return the tokens of a text, special tokens not included."""
        return len(self.tokenizer.encode(text, add_special_tokens=False))

    def ids(self, texts: list[str]) -> list[list[int]]:
        """Return token ids with the special tokens, whatever their number."""
        return [encoding.ids for encoding in self.tokenizer.encode_batch_fast(texts)]

    def words(self, text: str) -> Words:
        """Return the units of a text in linear time."""
        starts, ends, before = [], [], [0]
        for offset, end in _windows(text):
            encoding = self.tokenizer.encode(text[offset:end], add_special_tokens=False)
            last = None
            for word, (a, b) in zip(encoding.word_ids, encoding.offsets, strict=True):
                if word != last:
                    starts.append(offset + a)
                    ends.append(offset + b)
                    before.append(before[-1] + 1)
                    last = word
                else:
                    ends[-1] = offset + b
                    before[-1] += 1
        if not starts:
            return Words([], [], [0])
        starts[0] = 0  # what the tokenizer ignores at the beginning belongs to the first unit
        return self._sliced(text, Words(starts, ends, before))

    def truncate(self, text: str, tokens: int) -> str:
        """Return the longest head of whole words that costs at most `tokens`."""
        words = self.words(text)
        if not len(words) or words.before[-1] <= tokens:
            return text
        kept = next(i for i in range(len(words), -1, -1) if words.before[i] <= tokens)
        return text[: words.ends[kept - 1]] if kept else ""

    def _sliced(self, text: str, words: Words) -> Words:
        """Replace units that stretch over more than `SLICE` characters by slices of them."""
        stretches = list(zip(words.starts, [*words.starts[1:], len(text)], strict=True))
        if all(end - start <= SLICE for start, end in stretches):
            return words
        starts, ends, before = [], [], [0]
        for i, (start, stop) in enumerate(stretches):
            if stop - start <= SLICE:
                starts.append(start)
                ends.append(words.ends[i])
                before.append(before[-1] + words.before[i + 1] - words.before[i])
                continue
            for a in range(start, stop, SLICE):
                b = min(a + SLICE, stop)
                starts.append(a)
                ends.append(b)
                before.append(before[-1] + self._slice_cost(text[a:b]))
        return Words(starts, ends, before)

    def _slice_cost(self, piece: str) -> int:
        """Return a bound that holds however slices are joined: a word costs at most its letters, or 1 beyond the limit."""
        normal = self.tokenizer.normalizer.normalize_str(piece).split()
        return max(SLICE_COST, sum(len(part) if len(part) <= LONGEST_WORD else 1 for part in normal))


def _windows(text: str) -> Iterator[tuple[int, int]]:
    """Yield pieces of some `WINDOW` characters that end at a blank or at punctuation, where a word cannot go on."""
    start = 0
    while start < len(text):
        end = min(start + WINDOW, len(text))
        if end < len(text):
            end = next((i for i in range(end, end - WINDOW // 2, -1) if _ends_a_word(text[i - 1])), end)
        yield start, end
        start = end


def _ends_a_word(character: str) -> bool:
    return character in " \n\t" or (character.isascii() and character.isprintable() and not character.isalnum())
