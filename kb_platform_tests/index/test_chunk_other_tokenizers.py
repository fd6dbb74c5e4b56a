"""Chunks of models that are no BERT: byte-level BPE and Unigram, trained here in a moment, on text that is hard to cut."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from kb_platform.index.chunk import ChunkParameters, chunk_document
from kb_platform.index.tokens import ModelTokenizer
from kb_platform.knowledge.documents import Document
from kb_platform.settings import SHIPPED_DEFS

HANDBOOK = [path.read_text() for path in sorted((SHIPPED_DEFS / "handbook" / "documents").rglob("*.md"))]
HARD = {
    "one word": "a" * 3000 + " " + "中文字符" * 400, "no blanks": "ความดันโลหิต" * 200, "emoji": " ".join("é😀🩺" * 3 for _ in range(400)),
    "base64": "Base64 " + "QUJD/+" * 700, "one sentence": "# Heading\n\n" + "word, " * 2000, "blanks": "   \n\n\t" * 300 + "end", "lines": "a\n" * 2000,
    "bytes": "\U0001f9ff\U0010fffd" * 500, "ligatures": "ﷺ㍿" * 600,
}  # fmt: skip
FRAME = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)])


def bpe() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(HANDBOOK, trainers.BpeTrainer(
        vocab_size=3000, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet, show_progress=False))
    return tokenizer


def unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    tokenizer.train_from_iterator(HANDBOOK, trainers.UnigramTrainer(
        vocab_size=2000, special_tokens=["<s>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False))
    return tokenizer


@pytest.fixture(scope="module", params=[bpe, unigram], ids=["bpe", "unigram"])
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ModelTokenizer:
    make: Callable[[], Tokenizer] = request.param
    folder, made = tmp_path_factory.mktemp("tokenizer"), make()
    made.post_processor = FRAME
    made.save(str(folder / "tokenizer.json"))
    return ModelTokenizer(Path(folder))


@pytest.mark.parametrize("text", [*HARD.values(), "\n\n".join(HANDBOOK[:12])], ids=[*HARD, "handbook"])
def test_no_chunk_has_more_tokens_than_the_model_reads_and_nothing_is_lost(tokenizer: ModelTokenizer, text: str) -> None:
    document = Document("d", "A title of very many words, " * 20, text, metadata={"synonyms": ["one word", "another one"] * 20})
    chunks = chunk_document(document, tokenizer=tokenizer, params=ChunkParameters(), context_fields=["synonyms"])
    sizes = [len(ids) for ids in tokenizer.ids([chunk.embedded_text for chunk in chunks])]
    assert max(sizes) <= 256
    assert max(tokenizer.count(chunk.content) for chunk in chunks) <= 200
    assert "".join("".join(chunk.content.split()) for chunk in chunks) == "".join(text.split())
    if len(text) > 3000:
        assert sum(tokenizer.count(chunk.content) for chunk in chunks) / len(chunks) > 40, "not in crumbs"


def test_a_question_is_cut_at_the_limit(tokenizer: ModelTokenizer) -> None:
    for text in ("dose and route " * 200, *HARD.values()):
        assert tokenizer.count(tokenizer.truncate(text, 100)) <= 100
