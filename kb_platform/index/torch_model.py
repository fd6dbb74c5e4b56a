"""A model folder as a PyTorch module, by transformers: any architecture that it knows, no code from the hub, nothing downloaded."""

import warnings
from pathlib import Path
from typing import Any

from kb_platform.index.model_files import INDEX, WEIGHTS, first_position, read_json
from kb_platform.index.packed_attention import NAME as PACKED
from kb_platform.index.packed_attention import register
from kb_platform.index.pytorch import transformers
from kb_platform.index.tokens import ModelTokenizer
from kb_platform.knowledge.errors import ConfigError

PACKABLE = {"bert", "camembert", "roberta", "xlm-roberta"}  # positions can be given, and every layer attends through one function
LARGE = 4 << 30  # bytes of weights, beyond which a copy in float32 on the processor is not worth its memory


def load_model(folder: Path, dtype: Any) -> Any:
    """Return the encoder on the processor, in evaluation mode.

    Raises:
        ConfigError: PyTorch is missing, or the folder is no encoder that transformers knows, or lacks weights.
    """
    AutoModel = transformers().AutoModel
    config = read_json(folder / "config.json")
    if config.get("is_encoder_decoder"):
        raise ConfigError("an encoder with a decoder", where=str(folder / "config.json"), expected="a model whose tokens' vectors are pooled")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model, info = AutoModel.from_pretrained(
                folder, dtype=dtype, local_files_only=True, trust_remote_code=False, use_safetensors=True, output_loading_info=True)
    except (ValueError, OSError, KeyError, ImportError, RuntimeError) as error:
        raise ConfigError(str(error).strip().splitlines()[0], where=str(folder), expected="a model that transformers knows, as safetensors",
                          action="code from the hub is not run; serve such a model behind an endpoint") from error
    if missing := [name for name in info["missing_keys"] if not name.startswith("pooler.")]:
        raise ConfigError(f"no weights for {len(missing)} tensors, {missing[0]} first", where=str(folder), expected="all weights of the architecture")
    if config.get("model_type") in PACKABLE:
        model.pooler = None  # a layer for another task
    return model.eval()


def check_vocabulary(model: Any, tokenizer: ModelTokenizer) -> None:
    """Refuse a tokenizer that knows tokens which the model does not: a GPU would fail on them for good. ConfigError."""
    rows, tokens = model.get_input_embeddings().weight.shape[0], tokenizer.tokenizer.get_vocab_size()
    if tokens > rows:
        raise ConfigError(f"a tokenizer of {tokens} tokens and a model of {rows}", where=str(tokenizer.folder), expected="files of one model")


def is_packable(model: Any) -> bool:
    """Tell whether texts can be laid end to end for this architecture."""
    return model.config.model_type in PACKABLE


def use_packed(model: Any, *, packed: bool) -> None:
    """Let the model attend to texts laid end to end, or to rows with padding."""
    if packed:
        register()
    model.set_attn_implementation(PACKED if packed else "sdpa")


def start_of_positions(model: Any) -> int:
    """Return the position of a text's first token."""
    return first_position(model.config.to_dict())


def is_large(folder: Path) -> bool:
    """Tell whether the weights are too many for a second copy."""
    parts = {WEIGHTS} if (folder / WEIGHTS).exists() else set(read_json(folder / INDEX)["weight_map"].values())
    return sum((folder / part).stat().st_size for part in parts) > LARGE
