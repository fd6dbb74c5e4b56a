"""What a document becomes is pinned: a faster way must give the same rows, or chunks are embedded and written anew everywhere.

A pin that changes on purpose goes with a raised version: CHUNKER_VERSION, TOKENIZER_VERSION or PARSER_VERSION.
"""

import hashlib
import json
import random
from typing import Any

import pytest

from kb_platform.index.bundled_model import bundled_tokenizer
from kb_platform.index.chunk_rows import document_row
from kb_platform.index.pipeline import Pipeline
from kb_platform.knowledge.documents import Document
from kb_platform.knowledge.knowledge_base import Source
from kb_platform.knowledge.spaces import EmbeddingSpace

SPACE = EmbeddingSpace(
    model="pinned", model_sha256="0" * 64, dimension=384, max_tokens=256, pooling="mean", query_prefix="", passage_prefix="",
    chunker="pinned",
)  # fmt: skip
PIPELINE = Pipeline(SPACE, "pinned")
SOURCE = Source("s", "jsonl", searchable=("synonyms",), context=("synonyms",))
PROSE = (
    "the patient's dose is 2.5 mg/kg of well-known beta-blockers, e.g. (PH-114) for WHO; 10% don't! \u201cna\u00efve\u201d caf\u00e9 "
    "\u0434\u043e\u0437\u0430 \u4e2d\u6587 u.s. Dr. Smith [SEP] under_score i.v. A a\u0301 \u200bwell caresses running 1,234.5 ph114 [CLS]"
)
WORDS = PROSE.split(" ")
HARD = (
    "", "x" * 700 + " tail", "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22" * 60, "a\x01b\x7fc \u2028line \x0b tab\tend", "ALL IN CAPITALS OR NOT",
    "```\n# no heading\n```\n\ntext behind", "| Drug | Dose |\n|---|---|\n" + "".join(f"| drug {i} | {i} mg |\n" for i in range(90)),
    "- one\n  - nested\n- two\n" * 40, "word " * 400, "\u00ad\u00ad" * 300 + "soft", "no.full.stops," * 150, "\U0001f600 emoji \U0001f9d1\u200d\u2695\ufe0f " * 60,
)


def made_documents() -> list[Document]:
    rng = random.Random(5)

    def sentence() -> str:
        return " ".join(rng.choices(WORDS, k=rng.randint(3, 25))) + rng.choice([". ", "? ", ".\n", "\n\n", "; "])

    texts = ["".join(f"{'#' * rng.randint(1, 3)} Part {n}\n\n" + "".join(sentence() for _ in range(rng.randint(1, 30))) + "\n\n"
                     for n in range(rng.randint(1, 6))) for _ in range(30)]
    metadata = [{}, {"synonyms": ["heart attack", "MI"]}, {"synonyms": "one value", "other": "not searchable"}]
    return [Document(f"d{i}", f"Title {i} of \u00c9t\u00e9", text, metadata[i % 3]) for i, text in enumerate([*texts, *HARD])]


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    tokenizer = bundled_tokenizer()
    return [document_row(document, "o", SOURCE, PIPELINE, tokenizer) for document in made_documents()]


def digest(values: Any) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]


def chunks(rows: list[dict[str, Any]], *names: str) -> list[Any]:
    return [[c[name].hex() if isinstance(c[name], bytes) else c[name] for name in names] for row in rows for c in row["chunks"]]


def test_the_pinned_documents_have_chunks_of_every_kind(rows: list[dict[str, Any]]) -> None:
    assert len(chunks(rows, "content")) > 150
    assert any(c["dup_no"] for row in rows for c in row["chunks"])
    assert any(not row["chunks"] for row in rows)


def test_cuts_and_contexts_are_those_of_the_pinned_version(rows: list[dict[str, Any]]) -> None:
    assert digest(chunks(rows, "ordinal", "start", "end", "content", "context", "dup_no")) == "4555560490d8bd82"


def test_terms_and_weights_are_those_of_the_pinned_version(rows: list[dict[str, Any]]) -> None:
    assert digest(chunks(rows, "terms", "weights")) == "a342e0a4ba1a3a0f"


def test_hashes_are_those_of_the_pinned_version(rows: list[dict[str, Any]]) -> None:
    assert digest(chunks(rows, "content_hash", "text_hash")) == "f34b8880e53b0dab"
    assert digest([[row["version_hash"].hex(), row["metadata"], row["title"]] for row in rows]) == "e549cbdf7776ccb9"
