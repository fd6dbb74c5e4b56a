"""How much of a text the embedding model cannot read. Its vector is then one of the rest, or of nothing, and words alone find it."""

import re
from collections.abc import Iterator, Mapping, Sequence

from kb_platform.index.tokens import ModelTokenizer

SAMPLE = 4000  # characters of a document
WORTH_SAYING = 0.1  # share of words
_UNUSUAL = re.compile(r"[^\x00-\u052f\u1e00-\u2bff]")  # beyond Latin, Greek, Cyrillic and signs; tokenizing for nothing costs time


def unread_share(text: str, tokenizer: ModelTokenizer) -> float:
    """Return the share of words for which the model has no token, in the beginning of a text."""
    head = text[:SAMPLE]
    return tokenizer.unread(head)[1] if _UNUSUAL.search(head) else 0.0


def said_of(share: float) -> str:
    """Return what a person should know of it; empty where it is not worth saying."""
    return f"the embedding model cannot read {share:.0%} of its words: words alone find it" if share >= WORTH_SAYING else ""


def unread_of(beginnings: Mapping[str, Sequence[str]], questions: Sequence[str], tokenizer: ModelTokenizer) -> Iterator[str]:
    """Yield what a model cannot read, in one sentence each: of the first documents of each source, and of questions."""
    for source, texts in beginnings.items():
        shares = [unread_share(text, tokenizer) for text in texts]
        if unread := [share for share in shares if share >= WORTH_SAYING]:
            yield (f"source {source}: the embedding model cannot read {sum(unread) / len(unread):.0%} of the words in {len(unread)} of "
                   f"{len(shares)} documents that were looked at")
    if unread := [question for question in questions if unread_share(question, tokenizer) >= WORTH_SAYING]:
        yield f"the embedding model cannot read {len(unread)} of the golden queries, the first is {unread[0]!r}"
