"""Chunks: complete, within the model's limit, and cut where a reader would cut."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kb_platform.index.bundled_model import bundled_tokenizer
from kb_platform.index.chunk import ChunkParameters, chunk_document
from kb_platform.index.tokens import ModelTokenizer
from kb_platform.knowledge.documents import Chunk, Document
from kb_platform.knowledge.errors import ConfigError

PARAMS = ChunkParameters()
SENTENCE = "The dose is lowered when the kidneys fail. "  # 9 tokens
Chunker = Callable[..., list[Chunk]]

pieces = st.one_of(
    st.text(max_size=300),
    st.sampled_from(["# Title\n", "## Dose\n\n", "- item one\n", "| a | b |\n|---|---|\n| 1 | 2 |\n", "```\n# code\n```\n", "\n\n", ". "]),
    st.tuples(st.text(st.characters(codec="utf-8"), min_size=1, max_size=4), st.integers(1, 900)).map(lambda t: t[0] * t[1]),
    st.text(st.sampled_from("각힣한é\u0301\u200b\u00adßﬁ中。ก็😀"), max_size=400),
    st.sampled_from([SENTENCE * 40, "x" * 2000, "[SEP] [CLS] [MASK] " * 30, "\u0301" * 500, "a\u0301" * 300, " " * 500]),
)
texts = st.lists(pieces, max_size=8).map("".join)


@pytest.fixture(scope="module")
def tokenizer() -> ModelTokenizer:
    return bundled_tokenizer()


@pytest.fixture
def chunk(tokenizer: ModelTokenizer) -> Chunker:
    def call(text: str, title: str = "", params: ChunkParameters = PARAMS, **more: object) -> list[Chunk]:
        metadata = more.pop("metadata", {})
        return chunk_document(Document("d", title, text, metadata), tokenizer=tokenizer, params=params, **more)  # type: ignore[arg-type]

    return call


def check(text: str, chunks: list[Chunk], tokenizer: ModelTokenizer, params: ChunkParameters = PARAMS) -> None:
    """Assert what must hold for every text."""
    covered = 0
    for number, piece in enumerate(chunks):
        assert piece.ordinal == number
        assert text[piece.start : piece.end] == piece.content == piece.content.strip() != ""
        assert not text[covered : piece.start].strip(), "text between chunks"
        covered = piece.end
        assert tokenizer.count(piece.content) <= params.content_tokens
        assert tokenizer.count(piece.embedded_text) + tokenizer.special_tokens <= params.max_tokens
    assert not chunks or not text[covered:].strip(), "text behind the last chunk"


@given(text=texts, title=st.text(max_size=200))
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_every_text_is_covered_in_order_and_within_the_limit(tokenizer: ModelTokenizer, text: str, title: str) -> None:
    chunks = chunk_document(Document("d", title, text), tokenizer=tokenizer, params=PARAMS)
    check(text, chunks, tokenizer)
    assert bool(chunks) == bool(tokenizer.count(text))


@given(text=texts)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_the_limit_holds_for_the_smallest_sizes_that_are_allowed(tokenizer: ModelTokenizer, text: str) -> None:
    params = ChunkParameters(max_tokens=140, content_tokens=128, section_min=1, piece_min=64)
    check(text, chunk_document(Document("d", "A title", text), tokenizer=tokenizer, params=params), tokenizer, params)


@pytest.mark.parametrize("text", ["", " \n\t ", "\u200b\u200b", "\u200b \n"])
def test_a_text_without_tokens_has_no_chunks(chunk: Chunker, text: str) -> None:
    assert chunk(text, title="A title") == []


def test_a_short_text_is_one_chunk_behind_its_title(chunk: Chunker) -> None:
    assert chunk("  Take with food.\n", title="Aspirin") == [Chunk(0, 2, 17, "Take with food.", "Aspirin")]


def test_chunking_is_a_function_of_the_document(chunk: Chunker) -> None:
    text = "\n\n".join(f"## Part {i}\n\n{SENTENCE * (i % 30)}" for i in range(60))
    assert chunk(text) == chunk(text)


HOSTILE: dict[str, Callable[[int], str]] = {  # texts of about so many characters
    "one word": lambda size: "a" * size,
    "base64": lambda size: "".join(random.Random(1).choices("ABCDabcd0123+/", k=size)),
    "chinese without stops": lambda size: "中文字符测试文本" * (size // 24),
    "chinese": lambda size: "这个药每天吃一次。" * (size // 27),
    "thai": lambda size: "ภาษาไทยเป็นภาษา" * (size // 24),
    "hangul": lambda size: "한국어텍스트" * (size // 15),
    "stops only": lambda size: "." * (size * 2 // 3),
    "blanks between": lambda size: "a" + " " * size + "b",
    "invisible": lambda size: "a\u200b" * (size // 5) + "\u200b" * (size // 5),
    "marks": lambda size: "a" + "\u0301" * (size * 2 // 3),
    "table rule": lambda size: "|" + "-" * (size * 2 // 3) + "x",
    "headings": lambda size: "# a\n" * (size // 10),
    "fences": lambda size: "```\n" * (size // 10),
    "bullets": lambda size: "- " * (size // 5),
    "no stops": lambda size: " ".join(random.Random(2).choices(["renal", "dose", "of", "the"], k=size * 2 // 15)),
    "emoji": lambda size: "😀" * (size // 5),
}


@pytest.mark.parametrize("size", [40_000, pytest.param(300_000, marks=pytest.mark.endurance)])
@pytest.mark.parametrize("name", HOSTILE)
def test_text_without_places_to_cut_is_cut_all_the_same(chunk: Chunker, tokenizer: ModelTokenizer, name: str, size: int) -> None:
    text = HOSTILE[name](size)
    chunks = chunk(text, title="T")
    check(text, chunks, tokenizer)
    assert max(len(piece.content) for piece in chunks) < 2_000


def test_a_word_too_large_for_the_least_size_on_both_sides_is_cut_off_all_the_same(chunk: Chunker, tokenizer: ModelTokenizer) -> None:
    large = "각" * 33  # one word of 99 tokens between two runs that are too short to stand alone
    text = "dose " * 60 + large + " dose" * 60
    assert tokenizer.count(large) == 99
    chunks = chunk(text)
    check(text, chunks, tokenizer)
    assert len(chunks) == 2


def test_a_section_is_a_chunk_even_if_two_would_fit(chunk: Chunker) -> None:
    text = f"## Dose\n\n{SENTENCE * 5}\n\n## Storage\n\n{SENTENCE * 5}"
    assert [piece.content[:7] for piece in chunk(text)] == ["## Dose", "## Stor"]


def test_tiny_sections_join_their_neighbours(chunk: Chunker, tokenizer: ModelTokenizer) -> None:
    text = "\n\n".join(f"## Question {i}\n\nYes, {i}." for i in range(40)) + f"\n\n## Long\n\n{SENTENCE * 30}"
    assert min(tokenizer.count(piece.content) for piece in chunk(text)) >= PARAMS.section_min


def test_a_parent_heading_without_text_goes_with_its_first_child(chunk: Chunker) -> None:
    child = f"### Adults\n\n{SENTENCE * 10}"
    text = f"## Storage\n\n{SENTENCE * 10}\n\n## Dose\n\n{child}\n\n### Children\n\n{SENTENCE * 10}"
    assert [piece.content.splitlines()[0] for piece in chunk(text)] == ["## Storage", "## Dose", "### Children"]


def test_a_hash_inside_fenced_code_is_no_heading(chunk: Chunker) -> None:
    text = f"{SENTENCE * 5}\n\n```\n# {SENTENCE * 5}\n```\n"
    assert len(chunk(text)) == 1


def test_long_sections_are_cut_between_paragraphs_first(chunk: Chunker) -> None:
    paragraphs = [f"Paragraph {i}. {SENTENCE * 8}".strip() for i in range(12)]
    chunks = chunk("\n\n".join(paragraphs))
    assert len(chunks) > 4
    assert all(piece.content.startswith("Paragraph") for piece in chunks)


def test_a_long_paragraph_is_cut_between_sentences(chunk: Chunker) -> None:
    text = " ".join(f"Patient {i} of Dr. Smith took 2.5 mg b.i.d. and was well." for i in range(60))
    assert all(piece.content.startswith("Patient") and piece.content.endswith("well.") for piece in chunk(text))


def test_a_giant_sentence_is_cut_between_words_and_at_commas_first(chunk: Chunker) -> None:
    text = ", ".join(f"ICD{i} code{i} name{i} and more words" for i in range(200))
    chunks = chunk(text)
    assert all(piece.content.startswith("ICD") for piece in chunks)
    assert len(chunks) > 5


def test_a_continued_section_carries_its_headings(chunk: Chunker) -> None:
    text = f"# Aspirin\n\n## Dose\n\n### Adults\n\n{SENTENCE * 60}"
    first, second, *_ = chunk(text, title="Aspirin")
    assert (first.context, second.context) == ("Aspirin", "Aspirin > Dose > Adults")
    assert second.embedded_text == f"Aspirin > Dose > Adults\n{second.content}"


def test_a_continued_table_carries_the_names_of_its_columns(chunk: Chunker) -> None:
    rows = "\n".join(f"| Drug {i} | {i} mg | every {i} hours |" for i in range(60))
    chunks = chunk(f"## Doses\n\n| Name | Dose | Interval |\n|:---|---:|---|\n{rows}\n\nAfter the table. {SENTENCE * 20}", title="List")
    continued = [piece for piece in chunks if piece.content.startswith("| Drug")]
    assert len(continued) > 3
    assert {piece.context for piece in continued} == {"List > Doses > Name, Dose, Interval"}
    assert chunks[-1].context == "List > Doses"


def test_a_context_beyond_its_share_loses_the_outer_headings_first(chunk: Chunker, tokenizer: ModelTokenizer) -> None:
    far, near = "far away " * 15, "close by " * 10
    chunks = chunk(f"# {far}\n\n## {near}\n\n{SENTENCE * 60}", title="A title " * 100)
    context = chunks[-1].context
    assert context.startswith("A title A title")
    assert "close by" in context
    assert "far" not in context
    room = PARAMS.max_tokens - PARAMS.content_tokens - tokenizer.special_tokens
    assert all(tokenizer.count(piece.context) <= room for piece in chunks)


def test_declared_metadata_joins_the_context_and_moves_no_cut(chunk: Chunker) -> None:
    metadata = {"synonyms": ["acetylsalicylic acid", "ASA"], "code": "N02BA01", "long": ["word " * 100]}
    text = SENTENCE * 60
    plain = chunk(text, title="Aspirin")
    declared = chunk(text, title="Aspirin", metadata=metadata, context_fields=["code", "synonyms", "absent", "long"])
    assert {piece.context for piece in declared} == {"Aspirin\nN02BA01; acetylsalicylic acid; ASA"}
    assert [(p.start, p.end) for p in plain] == [(p.start, p.end) for p in declared]
    assert [(p.start, p.end) for p in plain] == [(p.start, p.end) for p in chunk(text, title="Another, much longer title")]


@pytest.mark.parametrize(
    "sizes", [{"content_tokens": 100}, {"content_tokens": 256}, {"piece_min": 101}, {"piece_min": 0}, {"max_tokens": 200}]
)
def test_sizes_that_cannot_hold_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="content_tokens"):
        ChunkParameters(**sizes)


def test_every_size_is_part_of_the_fingerprint() -> None:
    other = [ChunkParameters(max_tokens=300), ChunkParameters(content_tokens=190), ChunkParameters(section_min=5), ChunkParameters(piece_min=9)]
    assert len({params.fingerprint for params in [PARAMS, *other]}) == 5


def test_real_pages_give_chunks_of_a_useful_size(chunk: Chunker, tokenizer: ModelTokenizer, shared_data: Path) -> None:
    sizes = []
    with (shared_data / "va_docs_history_dev" / "documents.jsonl").open(encoding="utf-8") as lines:
        for document in [json.loads(line) for line in lines][:60]:
            chunks = chunk(document["text"], title=document["title"])
            check(document["text"], chunks, tokenizer)
            sizes += [tokenizer.count(piece.content) for piece in chunks if len(chunks) > 1]
    assert min(sizes) >= PARAMS.section_min
    assert 90 <= sum(sizes) / len(sizes) <= 150


@pytest.mark.parametrize("words", [30, 75, 90, 150])
def test_no_row_of_a_table_is_cut_that_fits_a_chunk_and_every_piece_knows_the_columns(chunk: Chunker, words: int) -> None:
    rows = "".join(f"| drug{n} | {'Take it with water. ' * (words // 5)}| end{n} |\n" for n in range(12))
    found = chunk(f"# Doses\n\n| Drug | Advice | End |\n|---|---|---|\n{rows}", title="Guide")
    for number in range(12):
        [held] = [piece for piece in found if f"| drug{number} |" in piece.content]
        assert f"| end{number} |" in held.content
    assert all("Drug, Advice, End" in piece.context or "| Drug | Advice" in piece.content for piece in found)
