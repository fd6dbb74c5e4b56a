"""Text measured in the model's own tokens.

A model reads a fixed number of WordPiece tokens, so the model's tokenizer does the counting: another tokenizer's count (cl100k
is off by a fifth on English) loses the end of nearly every chunk without a word. A document is tokenized once, with offsets;
every later question (how long is this piece?) is a subtraction. A BERT tokenizer's words are known without it where a line is
printable ASCII, and the tokens of each of them are counted once: three times as fast, and the same answer.

Pieces must cost what they cost inside the whole, so text is cut between words only. Two things are not words to a reader but are
to the tokenizer: a run of letters without a space (a base64 blob, Thai), which becomes one [UNK] beyond 100 characters, and long
stretches that it ignores. Both are offered for cutting every `SLICE` characters, at a cost that bounds what any piece can cost.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate, groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

from kb_platform.knowledge.errors import ConfigError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SLICE = 128  # characters; above the 100 beyond which WordPiece gives up on a word
LONGEST_WORD = 100
LARGEST_UNIT = SLICE  # tokens that one unit can cost at most, and therefore the least size of a piece that can always be cut
SHORT_SLICE = LARGEST_UNIT // 4  # characters, for tokenizers that know no limit: a byte is a token at worst, and a character has four
SLICE_COST = 32  # tokens charged for a slice, so that a 2 MB blob becomes many chunks and not one
_WORD = re.compile(r"[A-Za-z0-9]+|[!-/:-@\[-`{-~]")
_ODD = re.compile(r"[^\t\n\r -~]")
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

    def unread(self, text: str) -> tuple[list[str], float]:
        """Return the words of a text for which the model has nothing but its token for the unknown, and their share of all words."""
        if self._unknown is None:
            return [], 0.0
        encoding = self.tokenizer.encode(text, add_special_tokens=False)
        unknown: dict[int | None, tuple[int, int]] = {}
        for number, token, (start, end) in zip(encoding.word_ids, encoding.ids, encoding.offsets, strict=True):
            if token == self._unknown:
                unknown[number] = unknown.get(number, (start, end))[0], end
        return [text[start:end] for start, end in _stuck(unknown.values())], len(unknown) / max(1, len(set(encoding.word_ids)))

    @cached_property
    def _unknown(self) -> int | None:
        """Return the number of the token for the unknown; none where the model goes down to bytes."""
        model = self.tokenizer.model
        token = getattr(model, "unk_token", None)
        return self.tokenizer.token_to_id(token) if token else getattr(model, "unk_id", None)

    def words(self, text: str) -> Words:
        """Return the units of a text in linear time."""
        spans, costs = list[tuple[int, int]](), list[int]()
        for start, end, plain in _stretches(text):
            found = self._plain(text, start, end) if plain and self._is_bert else self._encoded(text, start, end)
            spans += found[0]
            costs += found[1]
        if not spans:
            return Words([], [], [0])
        starts, ends = [start for start, _ in spans], [end for _, end in spans]
        starts[0] = 0  # what the tokenizer ignores at the beginning belongs to the first unit
        return self._sliced(text, Words(starts, ends, [0, *accumulate(costs)]))

    @cached_property
    def _is_bert(self) -> bool:
        """Tell whether words of plain ASCII are known without asking: runs of letters and digits, and single other characters."""
        parts = type(self.tokenizer.normalizer).__name__, type(self.tokenizer.pre_tokenizer).__name__
        added = self.tokenizer.get_added_tokens_decoder().values()
        return parts == ("BertNormalizer", "BertPreTokenizer") and all(token.special for token in added)

    @cached_property
    def _cost(self) -> Callable[[str], int]:
        return lru_cache(maxsize=1 << 18)(self.count)

    def _plain(self, text: str, start: int, end: int) -> tuple[list[tuple[int, int]], list[int]]:
        """Return the words of printable ASCII and their tokens: a word costs the same anywhere, so that most are asked for once."""
        spans, cost = [match.span() for match in _WORD.finditer(text, start, end)], self._cost
        return spans, [cost(text[a:b]) if b - a <= LONGEST_WORD else self.count(text[a:b]) for a, b in spans]

    def _encoded(self, text: str, start: int, end: int) -> tuple[list[tuple[int, int]], list[int]]:
        """Return the words of any text and their tokens."""
        encoding = self.tokenizer.encode(text[start:end], add_special_tokens=False)
        pairs = groupby(zip(encoding.word_ids, encoding.offsets, strict=True), key=itemgetter(0))
        words = [[offset for _, offset in tokens] for _, tokens in pairs]
        return [(start + word[0][0], start + word[-1][1]) for word in words], [len(word) for word in words]

    def truncate(self, text: str, tokens: int) -> str:
        """Return the longest head of whole words that costs at most `tokens`."""
        words = self.words(text)
        if not len(words) or words.before[-1] <= tokens:
            return text
        kept = next(i for i in range(len(words), -1, -1) if words.before[i] <= tokens)
        while kept and not self._gives_up_on_words and self.count(text[: words.ends[kept - 1]]) > tokens:  # slices joined can cost more
            kept -= 1
        return text[: words.ends[kept - 1]] if kept else ""

    def _sliced(self, text: str, words: Words) -> Words:
        """Replace units that stretch over many characters by slices of them."""
        stretches = list(zip(words.starts, [*words.starts[1:], len(text)], strict=True))
        most = SLICE if self._gives_up_on_words else SHORT_SLICE
        if all(end - start <= most for start, end in stretches):
            return words
        starts, ends, before = [], [], [0]
        for i, (start, stop) in enumerate(stretches):
            if stop - start <= most:
                starts.append(start)
                ends.append(words.ends[i])
                before.append(before[-1] + words.before[i + 1] - words.before[i])
                continue
            for a in range(start, stop, most):
                b = min(a + most, stop)
                starts.append(a)
                ends.append(b)
                before.append(before[-1] + self._slice_cost(text[a:b]))
        return Words(starts, ends, before)

    @cached_property
    def _gives_up_on_words(self) -> bool:
        """Tell whether a very long word is one token, as WordPiece has it; BPE and Unigram go on, down to its bytes."""
        return type(self.tokenizer.model).__name__ == "WordPiece"

    def _slice_cost(self, piece: str) -> int:
        """Return a bound that holds however slices are joined: a word costs at most its letters, or 1 beyond the limit."""
        if not self._gives_up_on_words:
            return self.count(piece) + 1
        normal = self.tokenizer.normalizer.normalize_str(piece).split()
        return max(SLICE_COST, sum(len(part) if len(part) <= LONGEST_WORD else 1 for part in normal))


def _stuck(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join spans that nothing parts: to a BERT tokenizer, each Chinese character is a word."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def _windows(text: str) -> Iterator[tuple[int, int]]:
    """Yield pieces of some `WINDOW` characters that end at a blank or at punctuation, where a word cannot go on."""
    start = 0
    while start < len(text):
        end = min(start + WINDOW, len(text))
        if end < len(text):
            end = next((i for i in range(end, end - WINDOW // 2, -1) if _ends_a_word(text[i - 1])), end)
        yield start, end
        start = end


def _stretches(text: str) -> Iterator[tuple[int, int, bool]]:
    """Yield runs of lines within the windows: start, end, and whether all of it is printable ASCII."""
    for position, stop in _windows(text):
        start = position
        while start < stop and (odd := _ODD.search(text, start, stop)):
            line = text.rfind("\n", start, odd.start()) + 1 or start
            end = text.find("\n", odd.start(), stop) + 1 or stop
            if line > start:
                yield start, line, True
            yield line, end, False
            start = end
        if start < stop:
            yield start, stop, True


def _ends_a_word(character: str) -> bool:
    return character in " \n\t" or (character.isascii() and character.isprintable() and not character.isalnum())
