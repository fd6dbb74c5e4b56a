"""A model that only an endpoint has, end to end: built beside the live space, judged against it, promoted, searched, gone."""

import json
import threading
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from kb_platform.index.bundled_model import bundled_folder
from kb_platform.index.embed import OpenVinoEmbedder
from kb_platform.index.endpoint_embedder import EndpointEmbedder
from kb_platform.index.model_folder import space_of
from kb_platform.knowledge.errors import ConfigError
from kb_platform.knowledge.spaces import EmbeddingChoice
from kb_platform.resources import load_embedder
from kb_platform_tests.flow.made_models import make_model
from kb_platform_tests.flow.steps import refresh_by_steps
from kb_platform_tests.flow.test_spaces import FILES, MakeKb, database_of, found, promoted, rows, space_of_release, with_embedding
from kb_platform_tests.quality.judges.scripted_endpoint import Reply, serving

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
NAME = "acme/embed-1"


def serving_model(folder: Path) -> Any:
    """Return an endpoint that computes with a real, small model."""
    model, lock = OpenVinoEmbedder(folder, space_of(EmbeddingChoice(str(folder))), "f32"), threading.Lock()

    def answer(request: dict[str, Any]) -> Reply:
        with lock:
            vectors = model.embed(request["input"]).tolist()
        data = [{"index": i, "embedding": vector} for i, vector in enumerate(vectors)]
        return Reply(json.dumps({"data": data}).encode())

    return serving(answer, "/v1/embeddings")


def test_a_model_behind_an_endpoint_is_built_promoted_and_searched_beside_a_local_one(
    make_kb: MakeKb, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kb = make_kb(FILES)
    local = promoted(kb, "2026-03-01")
    changed = with_embedding(kb, model=f"endpoint:{NAME}", dimension=64, tokenizer=str(bundled_folder()))
    load_embedder.cache_clear()
    with pytest.raises(ConfigError, match="KB_EMBEDDER_URL is not set"):
        refresh_by_steps(changed, "2026-03-02")
    with serving_model(make_model(home / "served")) as scripted:
        monkeypatch.setenv("KB_EMBEDDER_URL", f"http://127.0.0.1:{scripted.port}/v1")
        refreshed = refresh_by_steps(changed, "2026-03-02")
        served = refreshed.promoted
        assert served is not None
        assert refreshed.computed == len(FILES)
        space = space_of_release(database_of(kb), served)
        assert (space.model, space.dimension, space.served) == (NAME, 64, True)
        assert isinstance(load_embedder(space), EndpointEmbedder)
        assert rows(kb, f"select count(*) from chunk where space_id = '{space.space_id}'") == [(len(FILES),)]
        assert {request["model"] for request in scripted.requests} == {NAME}
        before = len(scripted.requests)
        assert found(changed, "forgotten password") == "it/login.md"
        assert len(scripted.requests) > before, "the question was embedded there"
        assert found(changed, "how cold must vaccines be", local) == "pharmacy/fridge.md"
    load_embedder.cache_clear()


@pytest.mark.parametrize(("variable", "value", "words"), [
    ("KB_EMBEDDER", "cuda", "torch is not installed|sees no GPU|built without CUDA"),
    ("KB_EMBEDDER", "endpoint", "KB_EMBEDDER_URL is not set"),
    ("KB_EMBEDDER_PRECISION", "f16", "f16 is for GPUs"),
])
def test_a_setting_that_cannot_hold_is_an_error_when_a_model_is_loaded(
    variable: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if value == "cuda" and find_spec("torch") and import_module("torch").cuda.is_available():
        pytest.skip("this machine has a GPU")
    load_embedder.cache_clear()
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=words):
        load_embedder(space_of(EmbeddingChoice()))
