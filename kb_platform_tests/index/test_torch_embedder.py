"""PyTorch on the processor: the code that runs on GPUs, but for CUDA itself. Without the extra `gpu` these tests say so and skip."""

import gc
import json
import shutil
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kb_platform.index.agreement import least_cosine
from kb_platform.index.bundled_model import bundled_folder, bundled_space
from kb_platform.index.embed import OpenVinoEmbedder, load_bundled_embedder
from kb_platform.index.embedders import Deployment, load_for
from kb_platform.index.model_folder import space_of
from kb_platform.index.tokens import ModelTokenizer
from kb_platform.index.torch_embedder import TorchEmbedder
from kb_platform.knowledge.errors import ConfigError, PermanentError, TransientError
from kb_platform.knowledge.spaces import EmbeddingChoice
from kb_platform_tests.flow.made_models import make_model
from kb_platform_tests.index.languages import TEXTS
from kb_platform_tests.waiting import wait_until

torch = pytest.importorskip("torch", reason="the extra `gpu` is not installed")
transformers = pytest.importorskip("transformers", reason="the extra `gpu` is not installed")

CPU = ["cpu"]
SMALL = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128, "vocab_size": 30522}


@pytest.fixture(scope="module")
def processor() -> OpenVinoEmbedder:
    return load_bundled_embedder()


def bundled(**more: Any) -> TorchEmbedder:
    return TorchEmbedder(bundled_folder(), bundled_space(), CPU, **{"precision": "f32"} | more)


@pytest.fixture(scope="module")
def embedder() -> TorchEmbedder:
    return bundled()


@pytest.fixture(scope="module")
def expected(embedder: TorchEmbedder) -> np.ndarray:
    return embedder.embed(TEXTS)


def test_the_vectors_are_those_of_the_processors_embedder(embedder: TorchEmbedder, expected: np.ndarray, processor: OpenVinoEmbedder) -> None:
    found = expected
    assert (found.shape, found.dtype, embedder.packed) == ((len(TEXTS), 384), np.float32, False)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert least_cosine(found, processor.embed(TEXTS)) > 0.999
    assert least_cosine(found, load_bundled_embedder("f32").embed(TEXTS)) > 0.999999


def test_texts_laid_end_to_end_give_the_same(expected: np.ndarray) -> None:
    packed = bundled(packed=True)
    assert packed.packed
    assert least_cosine(packed.embed(TEXTS), expected) > 0.999999


def test_sixteen_bits_agree_to_three_digits(processor: OpenVinoEmbedder) -> None:
    some = TEXTS[:24]
    found = bundled(precision="bf16").embed(some)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)  # pooled and divided in float32
    assert least_cosine(found, processor.embed(some)) > 0.999


def test_the_order_and_company_of_texts_do_not_matter(embedder: TorchEmbedder, expected: np.ndarray) -> None:
    some = TEXTS[10:26]
    assert least_cosine(expected[10:26], embedder.embed(some[::-1])[::-1]) > 0.999999
    assert least_cosine(expected[10:26], np.vstack([embedder.embed([text]) for text in some])) > 0.999999
    assert embedder.embed([]).shape == (0, 384)


def test_more_texts_than_are_tokenized_at_a_time_keep_their_order(
    embedder: TorchEmbedder, expected: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kb_platform.index.torch_embedder.WINDOW", 5)
    assert least_cosine(embedder.embed(TEXTS[:23]), expected[:23]) > 0.999999


def test_a_passage_beyond_the_limit_is_refused_with_its_number_and_a_question_is_cut(embedder: TorchEmbedder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kb_platform.index.torch_embedder.WINDOW", 2)
    with pytest.raises(PermanentError, match=r"257 tokens in text 3.*at most 256"):
        embedder.embed(["a", "b", "c", "dose " * 255])
    assert float(embedder.embed_query("dose " * 300) @ embedder.embed_query("dose " * 254)) > 0.99999


def test_prefix_dimension_and_length_are_the_spaces(embedder: TorchEmbedder) -> None:
    space = replace(bundled_space(), query_prefix="query: ", dimension=100, normalize=False)
    found = TorchEmbedder(bundled_folder(), space, CPU, "f32").embed_query("dose")
    whole = embedder.embed(["query: dose"])[0]
    assert abs(np.linalg.norm(found) - 1) > 0.01
    assert least_cosine(found[None], whole[None, :100]) > 0.99999


def test_who_gives_up_is_not_kept_waiting(embedder: TorchEmbedder) -> None:
    asked = iter([False, False])
    with pytest.raises(CancelledError):
        embedder.embed(TEXTS * 20, lambda: next(asked, True))
    assert embedder.embed(TEXTS[:2]).shape == (2, 384)


def test_an_embedder_that_nobody_holds_frees_its_model_and_its_threads() -> None:
    embedder = bundled()
    embedder.embed(TEXTS)
    held, threads = weakref.ref(embedder), list(embedder._pool._threads)
    del embedder
    wait_until(lambda: gc.collect() >= 0 and held() is None, "the embedder is gone")
    wait_until(lambda: not any(thread.is_alive() for thread in threads), "its threads have ended")


def test_callers_on_several_threads_get_their_own_vectors(embedder: TorchEmbedder, expected: np.ndarray) -> None:
    found = dict[int, np.ndarray]()
    threads = [threading.Thread(target=lambda i=i: found.update({i: embedder.embed(TEXTS[i : 26 - i])})) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(least_cosine(found[i], expected[i : 26 - i]) > 0.999999 for i in range(4))


def failing(embedder: TorchEmbedder, monkeypatch: pytest.MonkeyPatch, fails: Callable[[Any], Exception | None]) -> list[int]:
    """Let batches fail as a GPU would let them; return the sizes of those that were tried."""
    encoder, tried = embedder._encoders[0], list[int]()
    compute = encoder.vectors

    def vectors(batch: Any) -> np.ndarray:
        tried.append(len(batch.rows))
        if error := fails(batch):
            raise error
        return compute(batch)

    monkeypatch.setattr(encoder, "vectors", vectors)
    return tried


def test_a_batch_that_the_device_has_no_room_for_is_halved(embedder: TorchEmbedder, expected: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = failing(embedder, monkeypatch, lambda batch: torch.OutOfMemoryError("CUDA out of memory") if len(batch.rows) > 2 else None)
    assert least_cosine(embedder.embed(TEXTS[:26]), expected[:26]) > 0.999999
    assert max(tried) > 4 > 2 in tried


def test_one_text_that_the_device_has_no_room_for_is_transient(embedder: TorchEmbedder, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(embedder, monkeypatch, lambda _: torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(TransientError, match=r"cpu: no memory for one text of \d+ tokens"):
        embedder.embed(TEXTS[:5])


def test_a_failed_device_is_transient_and_says_so(embedder: TorchEmbedder, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(embedder, monkeypatch, lambda _: torch.AcceleratorError("CUDA error: unspecified launch failure\nmore"))
    with pytest.raises(TransientError, match=r"the GPU failed \(CUDA error: unspecified launch failure\)"):
        embedder.embed(TEXTS[:5])


def test_without_a_gpu_cuda_is_refused_and_says_what_there_is() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(ConfigError, match=r"PyTorch .* (sees no GPU|built without CUDA).*expected a GPU"):
        load_for(bundled_space(), Deployment("cuda"))


def made(folder: Path, kind: str, pooling: str = "mean", **config: Any) -> Path:
    """Write a small model of an architecture, with random weights and the bundled tokenizer; return its folder."""
    torch.manual_seed(1)
    model = transformers.AutoModel.from_config(transformers.AutoConfig.for_model(kind, **SMALL | config))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(folder)
    shutil.copy(bundled_folder() / "tokenizer.json", folder)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": pooling}))
    return folder


def one_by_one(folder: Path, texts: tuple[str, ...], pooling: str) -> np.ndarray:
    """Return vectors as the library gives them for one text at a time, without padding or mask."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    rows = []
    with torch.inference_mode():
        for ids in ModelTokenizer(folder).ids(list(texts)):
            hidden = model(input_ids=torch.tensor([ids])).last_hidden_state[0]
            rows.append({"mean": hidden.mean(0), "cls": hidden[0], "lasttoken": hidden[-1]}[pooling].numpy())
    return np.array(rows)


DISTILBERT = {"dim": 64, "n_layers": 2, "n_heads": 2, "hidden_dim": 128}


@pytest.mark.parametrize(("kind", "pooling", "config"), [
    ("bert", "cls", {}), ("bert", "lasttoken", {}), ("roberta", "mean", {"max_position_embeddings": 514, "pad_token_id": 1}),
    ("xlm-roberta", "cls", {"max_position_embeddings": 514, "pad_token_id": 1}), ("distilbert", "mean", DISTILBERT),
    ("modernbert", "cls", {"pad_token_id": 0, "max_position_embeddings": 512}),
    ("qwen3", "lasttoken", {"num_key_value_heads": 1, "head_dim": 32, "max_position_embeddings": 512}),
])  # fmt: skip
def test_other_architectures_give_what_the_library_gives(tmp_path: Path, kind: str, pooling: str, config: dict[str, Any]) -> None:
    folder = made(tmp_path / "model", kind, pooling, **config)
    space = space_of(EmbeddingChoice(str(folder)))
    assert space.pooling == pooling
    found = load_for(space, Deployment("torch"))
    assert isinstance(found, TorchEmbedder)
    some = TEXTS[:30]
    expected = one_by_one(folder, some, pooling)
    assert least_cosine(found.embed(some), expected) > 0.99999
    if kind in {"bert", "roberta", "xlm-roberta"}:
        assert least_cosine(TorchEmbedder(folder, space, CPU, packed=True).embed(some), expected) > 0.99999
    if kind != "bert":
        with pytest.raises(ConfigError, match=rf"model type '{kind}'.*KB_EMBEDDER to cuda, torch or endpoint"):
            load_for(space, Deployment("cpu"))


def test_a_model_that_lacks_weights_is_refused(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 2, "intermediate_size": 128}))
    with pytest.raises(ConfigError, match=r"no weights for \d+ tensors, encoder\.layer\.1"):
        load_for(space_of(EmbeddingChoice(str(folder))), Deployment("torch"))


def test_a_model_that_needs_code_from_the_hub_is_refused(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "new_thing", "auto_map": {"AutoModel": "modeling.NewModel"}}))
    with pytest.raises(ConfigError, match="code from the hub is not run"):
        load_for(space_of(EmbeddingChoice(str(folder))), Deployment("torch"))


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(tmp_path: Path) -> None:
    folder = made(tmp_path / "model", "bert", vocab_size=1000)
    with pytest.raises(ConfigError, match="a tokenizer of 30522 tokens and a model of 1000"):
        load_for(space_of(EmbeddingChoice(str(folder))), Deployment("torch"))


def test_arithmetic_that_is_too_narrow_is_found_when_the_model_is_loaded(tmp_path: Path) -> None:
    folder = made(tmp_path / "model", "bert")
    weights = transformers.AutoModel.from_pretrained(folder)
    with torch.no_grad():
        weights.encoder.layer[0].intermediate.dense.weight.mul_(3e5)
    weights.save_pretrained(folder)
    space = space_of(EmbeddingChoice(str(folder)))
    with pytest.raises(ConfigError, match=r"vectors at cosine nan.*KB_EMBEDDER_PRECISION"):
        TorchEmbedder(folder, space, CPU, "f16")
    assert np.isfinite(TorchEmbedder(folder, space, CPU, "bf16").embed(TEXTS[:3])).all()
