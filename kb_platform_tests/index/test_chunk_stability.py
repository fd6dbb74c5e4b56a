"""An edit re-embeds what it touches: the whole point of cutting by content."""

import json
import random
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from kb_platform.index.bundled_model import bundled_tokenizer
from kb_platform.index.chunk import ChunkParameters, chunk_document
from kb_platform.index.sentences import sentence_starts
from kb_platform.index.tokens import ModelTokenizer
from kb_platform.knowledge.documents import Document

WORDS = ["patient", "dose", "daily", "should", "consult", "therapy", "needed", "renal", "function", "low", "chronic", "nurse", "meal"]
Edit = Callable[[str, random.Random], str]


@pytest.fixture(scope="module")
def tokenizer() -> ModelTokenizer:
    return bundled_tokenizer()


def made_up(seed: int, paragraphs: int, gap: str) -> Document:
    """Return a text of invented sentences without a heading."""
    draw = random.Random(seed)
    vocabulary = ["".join(draw.choices("aeiounrstlmd", k=draw.randint(2, 9))) for _ in range(600)]
    sentences = [
        [" ".join(draw.choices(vocabulary, k=draw.randint(5, 30))).capitalize() + "." for _ in range(draw.randint(1, 9))]
        for _ in range(paragraphs)
    ]
    return Document(f"made-up-{seed}", "A title", gap.join(" ".join(paragraph) for paragraph in sentences))


@pytest.fixture(scope="module")
def real_pages(shared_data: Path) -> list[Document]:
    """Return the long documents of two collections, and each once more without its headings and line breaks."""
    found: list[Document] = []
    for name in ("va_docs_history_dev", "medquad_small"):
        with (shared_data / name / "documents.jsonl").open(encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                if len(row["text"]) > 8000:
                    found.append(Document(row["doc_id"], row["title"], row["text"]))
                    found.append(Document(row["doc_id"], row["title"], " ".join(re.sub(r"(?m)^#+ .*$", "", row["text"]).split())))
    return found


def some_sentence(text: str, draw: random.Random) -> tuple[int, int]:
    """Return a sentence that spans no heading."""
    starts = sorted(set(sentence_starts(text)))
    spans = [(a, b) for a, b in pairwise(starts) if not re.search(r"(?m)^\s*#", text[a:b])]
    return draw.choice(spans)


def change_a_word(text: str, draw: random.Random) -> str:
    start, end = some_sentence(text, draw)
    words = text[start:end].split(" ")
    words[draw.randrange(len(words))] = draw.choice(WORDS)
    return text[:start] + " ".join(words) + text[end:]


def add_a_sentence(text: str, draw: random.Random) -> str:
    start, _ = some_sentence(text, draw)
    return text[:start] + " ".join(draw.choices(WORDS, k=draw.randint(4, 14))).capitalize() + ". " + text[start:]


def rewrite_a_sentence(text: str, draw: random.Random) -> str:
    start, end = some_sentence(text, draw)
    new = " ".join(draw.choices(WORDS, k=max(3, len(text[start:end].split())))).capitalize() + ". "
    return text[:start] + new + text[end:]


def delete_a_sentence(text: str, draw: random.Random) -> str:
    start, end = some_sentence(text, draw)
    return text[:start] + text[end:]


def add_an_introduction(text: str, draw: random.Random) -> str:
    return " ".join(draw.choices(WORDS, k=60)).capitalize() + ".\n\n" + text


def texts_to_embed(before: Document, text: str, tokenizer: ModelTokenizer) -> int:
    """Return how many texts of the edited document were not there before."""
    old, new = (
        {chunk.embedded_text for chunk in chunk_document(document, tokenizer=tokenizer, params=ChunkParameters())}
        for document in (before, replace(before, text=text))
    )
    return len(new - old)


def distribution(documents: list[Document], edit: Edit, tokenizer: ModelTokenizer, rounds: int) -> np.ndarray:
    draw = random.Random(7)
    chosen = [draw.choice(documents) for _ in range(rounds)]
    return np.array([texts_to_embed(document, edit(document.text, draw), tokenizer) for document in chosen])


EDITS = [change_a_word, add_a_sentence, rewrite_a_sentence, delete_a_sentence, add_an_introduction]


@pytest.mark.parametrize("rounds", [15, pytest.param(50, marks=pytest.mark.endurance)])
@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_of_a_real_page_changes_a_chunk_or_two(edit: Edit, rounds: int, tokenizer: ModelTokenizer, real_pages: list[Document]) -> None:
    changed = distribution(real_pages, edit, tokenizer, rounds)
    assert changed.mean() <= 2
    assert (changed > 3).sum() <= max(1, 0.04 * rounds)
    assert changed.max() <= 6


@pytest.mark.parametrize("rounds", [8, pytest.param(20, marks=pytest.mark.endurance)])
@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_of_a_long_text_without_headings_changes_a_chunk_or_two(edit: Edit, rounds: int, tokenizer: ModelTokenizer) -> None:
    documents = [made_up(seed, paragraphs=80, gap="\n\n" if seed % 2 else " ") for seed in range(4)]
    changed = distribution(documents, edit, tokenizer, rounds)
    assert changed.mean() <= 2.2
    assert changed.max() <= 5


def test_a_moved_paragraph_is_embedded_only_where_it_left_and_where_it_arrived(tokenizer: ModelTokenizer) -> None:
    draw = random.Random(3)
    document = made_up(11, paragraphs=80, gap="\n\n")
    for _ in range(10):
        paragraphs = document.text.split("\n\n")
        paragraphs.insert(draw.randrange(80), paragraphs.pop(draw.randrange(80)))
        assert texts_to_embed(document, "\n\n".join(paragraphs), tokenizer) <= 7


def test_a_moved_section_costs_nothing_if_it_fills_chunks_of_its_own(tokenizer: ModelTokenizer) -> None:
    sections = [f"## Part {seed}\n\n{made_up(seed, paragraphs=6, gap=' ').text}" for seed in range(10)]
    document = Document("d", "A title", "\n\n".join(sections))
    assert texts_to_embed(document, "\n\n".join([*sections[5:], *sections[:5]]), tokenizer) == 0


def test_white_space_between_paragraphs_is_not_content(tokenizer: ModelTokenizer) -> None:
    document = Document("d", "A title", "\n\n".join(f"## Part {seed}\n\n{made_up(seed, 3, ' ').text}" for seed in range(10)))
    assert texts_to_embed(document, "\n" + document.text.replace("\n\n##", "\n\n\n##") + "\n", tokenizer) == 0
