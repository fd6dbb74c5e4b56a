"""Tokens of many texts as batches for a device: texts of like length together, so many tokens a batch, laid end to end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TokenBatch:
    """Texts of one pass through the model. `rows` is which texts; `ids` int32 [tokens] end to end, `lengths` int32 [texts]."""

    rows: np.ndarray
    ids: np.ndarray
    lengths: np.ndarray

    @property
    def longest(self) -> int:
        """Return the tokens of the longest text."""
        return int(self.lengths.max())

    def halves(self) -> tuple["TokenBatch", "TokenBatch"]:
        """Return the batch as two; it has at least two texts."""
        middle = len(self.rows) // 2
        cut = int(self.lengths[:middle].sum())
        return (TokenBatch(self.rows[:middle], self.ids[:cut], self.lengths[:middle]),
                TokenBatch(self.rows[middle:], self.ids[cut:], self.lengths[middle:]))


def token_batches(tokens: Sequence[Sequence[int]], most: int, first: int = 0) -> Iterator[TokenBatch]:
    """Yield batches, longest texts first, so that a device that has no room for them says so at once.

    A batch has at most `most` tokens, padding to its longest text included, and at least one text. `first` is the number of the first text.
    """
    lengths = np.array([len(ids) for ids in tokens], np.int32)
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        texts = max(1, most // max(1, int(lengths[order[start]])))
        rows = order[start : start + texts]
        ids = np.concatenate([np.asarray(tokens[i], np.int32) for i in rows])
        yield TokenBatch(rows + first, ids, lengths[rows])
        start += texts
