"""How much of a text the embedding model cannot read. Its vector is then one of the rest, or of nothing, and words alone find it."""

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from kb_platform.index.model_folder import tokenizer_of
from kb_platform.index.pipeline import pipeline_of
from kb_platform.index.tokens import ModelTokenizer
from kb_platform.ingest.parse_many import parse_documents
from kb_platform.ingest.sources import Upsert, open_source
from kb_platform.knowledge.documents import Document
from kb_platform.knowledge.knowledge_base import KnowledgeBase, Source

SAMPLE = 4000  # characters of a document
LOOKED_AT = 20  # documents of a source
WORTH_SAYING = 0.1  # share of words
_UNUSUAL = re.compile(r"[^\x00-\u052f\u1e00-\u2bff]")  # beyond Latin, Greek, Cyrillic and signs; tokenizing for nothing costs time


def unread_share(text: str, tokenizer: ModelTokenizer) -> float:
    """Return the share of words for which the model has no token, in the beginning of a text."""
    head = text[:SAMPLE]
    return tokenizer.unread(head)[1] if _UNUSUAL.search(head) else 0.0


def said_of(share: float) -> str:
    """Return what a person should know of it; empty where it is not worth saying."""
    return f"the embedding model cannot read {share:.0%} of its words: words alone find it" if share >= WORTH_SAYING else ""


def unread_of(kb: KnowledgeBase, questions: Iterable[str]) -> Iterator[str]:
    """Yield what the model of the YAML cannot read, in one sentence each: of the first documents of each source, and of questions."""
    for source in kb.sources:
        tokenizer = tokenizer_of(pipeline_of(kb, source.name).space)
        shares = [unread_share(text, tokenizer) for text in _first_texts(source)]
        if unread := [share for share in shares if share >= WORTH_SAYING]:
            yield (f"source {source.name}: the embedding model cannot read {sum(unread) / len(unread):.0%} of the words in {len(unread)} of "
                   f"{len(shares)} documents that were looked at")
        unread = [question for question in questions if unread_share(question, tokenizer) >= WORTH_SAYING]
        if unread and source is kb.sources[0]:  # all sources have one model
            yield f"the embedding model cannot read {len(unread)} of the golden queries, the first is {unread[0]!r}"


def _first_texts(source: Source) -> list[str]:
    found = (item.document for item in open_source(source.kind, source.options).scan({}) if isinstance(item, Upsert))
    return [parsed.text for parsed in parse_documents(islice(found, LOOKED_AT)) if isinstance(parsed, Document)]
