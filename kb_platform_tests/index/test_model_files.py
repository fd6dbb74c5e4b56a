"""What the files of other models than the bundled one say, and which choices of them are refused."""

import json
from pathlib import Path

import pytest

from kb_platform.components.knowledge_base.schema import KnowledgeBaseModel, to_knowledge_base
from kb_platform.index.bundled_model import bundled_folder
from kb_platform.index.model_files import digests_of, read_config
from kb_platform.index.model_folder import size_of, space_of, tokenizer_of
from kb_platform.knowledge.errors import ConfigError
from kb_platform.knowledge.spaces import EmbeddingChoice, EmbeddingSpace
from kb_platform_tests.flow.made_models import make_model

COMMIT = "a" * 40


def rewrite(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_model(tmp_path / "model")


def test_robertas_family_reads_two_tokens_less_than_it_has_positions(model: Path) -> None:
    rewrite(model / "config.json", model_type="xlm-roberta", max_position_embeddings=514, pad_token_id=1)
    assert (read_config(model).reads, read_config(model).architecture) == (512, "xlm-roberta")
    rewrite(model / "config.json", model_type="bert")
    assert read_config(model).reads == 514


def test_distilbert_has_its_own_word_for_the_size(model: Path) -> None:
    values = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({"dim" if name == "hidden_size" else name: value for name, value in values.items()}))
    assert read_config(model).size == 64


@pytest.mark.parametrize("config", [{"model_type": "clip"}, {"hidden_size": 64}])
def test_a_configuration_of_something_else_is_refused(model: Path, config: dict[str, object]) -> None:
    (model / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match="configuration of a text encoder"):
        space_of(EmbeddingChoice(str(model)))


@pytest.mark.parametrize("pooling", [{"pooling_mode_lasttoken": True}, {"pooling_mode": "lasttoken"}])
def test_pooling_by_the_last_token_is_read(model: Path, pooling: dict[str, object]) -> None:
    (model / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    assert space_of(EmbeddingChoice(str(model))).pooling == "lasttoken"


def test_a_projection_behind_the_pooling_is_refused_and_the_usual_modules_are_not(model: Path) -> None:
    modules = [{"type": f"sentence_transformers.models.{kind}"} for kind in ("Transformer", "Pooling", "Normalize")]
    (model / "modules.json").write_text(json.dumps(modules))
    space_of(EmbeddingChoice(str(model)))
    (model / "modules.json").write_text(json.dumps([*modules, {"type": "sentence_transformers.models.Dense"}]))
    with pytest.raises(ConfigError, match=r"module Dense.*Normalize, Pooling, Transformer only"):
        space_of(EmbeddingChoice(str(model)))


def test_the_parts_of_a_large_model_all_count(model: Path) -> None:
    weights = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").unlink()
    for part, content in (("a", weights[:100]), ("b", weights[100:])):
        (model / f"model-{part}.safetensors").write_bytes(content)
    index = {"weight_map": {"x": "model-a.safetensors", "y": "model-b.safetensors", "z": "model-a.safetensors"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    assert set(digests_of(model)) == {"config.json", "tokenizer.json", "model.safetensors.index.json", "model-a.safetensors", "model-b.safetensors"}
    before = space_of(EmbeddingChoice(str(model))).space_id
    (model / "model-b.safetensors").write_bytes(weights[101:])
    assert space_of(EmbeddingChoice(str(model))).space_id != before


def test_a_model_of_an_endpoint_is_known_by_name_dimension_and_tokenizer(tmp_path: Path) -> None:
    space = space_of(EmbeddingChoice("endpoint:acme/embed-1", dimension=1024, tokenizer="bundled"))
    assert (space.model, space.dimension, space.pooling, space.served, size_of(space)) == ("acme/embed-1", 1024, "endpoint", True, 1024)
    assert tokenizer_of(space).count("dose") == 1
    assert space_of(EmbeddingChoice("endpoint:acme/embed-2", dimension=1024, tokenizer="bundled")).space_id != space.space_id
    stored = EmbeddingSpace.from_description(space.describe(), space.location)
    assert (stored.space_id, stored.served) == (space.space_id, True)
    other = tmp_path / "tokenizer"
    other.mkdir()
    (other / "tokenizer.json").write_text((bundled_folder() / "tokenizer.json").read_text() + "\n")
    with pytest.raises(ConfigError, match="another tokenizer than that of the embedding space"):
        tokenizer_of(EmbeddingSpace.from_description(space.describe(), str(other)))
    with pytest.raises(ConfigError, match="is not there"):
        tokenizer_of(EmbeddingSpace.from_description(space.describe(), str(tmp_path / "gone")))


@pytest.mark.parametrize(("choice", "words"), [
    (EmbeddingChoice("endpoint:m", tokenizer="bundled"), "its dimension and its tokenizer"),
    (EmbeddingChoice("endpoint:m", dimension=8), "its dimension and its tokenizer"),
    (EmbeddingChoice("endpoint:m", dimension=8, tokenizer="bundled", pooling="mean"), "no pooling"),
    (EmbeddingChoice("endpoint:m", dimension=8, tokenizer="/nowhere"), r"a folder with tokenizer\.json"),
    (EmbeddingChoice("bundled", tokenizer="bundled"), "none: the model has its own"),
])
def test_a_choice_that_says_too_little_or_too_much_is_refused(choice: EmbeddingChoice, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        space_of(choice)


@pytest.mark.parametrize(("written", "read"), [
    ("bundled", "bundled"), (f"hf:a/b@{COMMIT}", f"hf:a/b@{COMMIT}"), ("endpoint:a/b", "endpoint:a/b"), ("models/mine", "/kb/models/mine"),
])
def test_only_folders_are_relative_to_the_yaml(written: str, read: str) -> None:
    sources = [{"name": "s", "kind": "files", "path": "documents"}]
    values = {"name": "kb", "sources": sources, "start_date": "2026-01-01", "embedding": {"model": written, "tokenizer": written}}
    choice = to_knowledge_base(KnowledgeBaseModel.model_validate(values), Path("/kb")).embedding
    assert (choice.model, choice.tokenizer) == (read, read)
