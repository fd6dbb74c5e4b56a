"""What a model is given: texts with the space's prefix in front, never more tokens than it reads.

A passage that is too long is an error, whoever computes: a vector of its beginning would look like one of the whole. A question is
cut, and the log says so: its writer gets an answer rather than an error.
"""

import logging
from collections.abc import Sequence

from kb_platform.index.tokens import ModelTokenizer
from kb_platform.knowledge.errors import PermanentError
from kb_platform.knowledge.spaces import EmbeddingSpace

log = logging.getLogger(__name__)


class ModelInputs:
    """Texts as a space's model reads them; every embedder takes them from here."""

    def __init__(self, space: EmbeddingSpace, tokenizer: ModelTokenizer) -> None:
        self.space, self.tokenizer = space, tokenizer

    def passages(self, texts: Sequence[str]) -> list[str]:
        """Return texts with the space's prefix."""
        return [self.space.passage_prefix + text for text in texts]

    def questions(self, texts: Sequence[str]) -> list[str]:
        """Return questions with the space's prefix, each cut at the model's limit."""
        return [self._fitting(self.space.query_prefix + text) for text in texts]

    def ids(self, inputs: Sequence[str], first: int = 0) -> list[list[int]]:
        """Return token ids, special tokens included; `first` is the number of the first input, for the message.

        Raises:
            PermanentError: an input has more tokens than the model reads, or none at all.
        """
        tokens = self.tokenizer.ids(list(inputs))
        longest = max(range(len(tokens)), key=lambda i: len(tokens[i]), default=0)
        if tokens and len(tokens[longest]) > self.space.max_tokens:
            raise PermanentError(
                f"{len(tokens[longest])} tokens in text {first + longest}", where=self.space.model,
                expected=f"at most {self.space.max_tokens}, special tokens included", action="split the text: see chunk_document",
            )  # fmt: skip
        if not all(tokens):
            raise PermanentError(f"no token in text {first + next(i for i, ids in enumerate(tokens) if not ids)}", where=self.space.model,
                                 expected="something to read: this model's tokenizer adds no token of its own")
        return tokens

    def _fitting(self, text: str) -> str:
        room = self.space.max_tokens - self.tokenizer.special_tokens
        if (size := self.tokenizer.count(text)) > room:
            log.warning("a question of %d tokens was cut at %d, the model's limit", size, room)
            return self.tokenizer.truncate(text, room)
        return text
