"""What the files of a model say: how large its vectors are, how many tokens it reads, how it pools, and the digest of its bytes.

The layout is that of sentence-transformers: config.json, tokenizer.json, model.safetensors (or its parts and their index), and
1_Pooling/config.json. Nothing is loaded: configurations are read, and files are hashed, once a process as long as their size and time of change stay.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from kb_platform.knowledge.errors import ConfigError

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
DECISIVE = ("config.json", WEIGHTS, "tokenizer.json")
POOLINGS = {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token", "lasttoken": "pooling_mode_lasttoken"}
MODULES = {"Transformer", "Pooling", "Normalize"}  # of sentence-transformers, that we compute
SIZES = ("hidden_size", "dim", "d_model")  # DistilBERT and T5 have their own words
POSITIONS_AFTER_PADDING = {"camembert", "mpnet", "roberta", "xlm-roberta", "xlm-roberta-xl"}


@dataclass(frozen=True)
class ModelConfig:
    """What a space takes from a model: `size` of its vectors, `reads` tokens at most, and its architecture."""

    size: int
    reads: int
    architecture: str


def read_config(folder: Path) -> ModelConfig:
    """Return what config.json says.

    Raises:
        ConfigError: it is not there, or is no text encoder's.
    """
    config = read_json(folder / "config.json")
    size = next((config[name] for name in SIZES if name in config), None)
    if size is None or "max_position_embeddings" not in config:
        raise ConfigError("no hidden_size or no max_position_embeddings", where=str(folder / "config.json"),
                          expected="the configuration of a text encoder")
    return ModelConfig(int(size), int(config["max_position_embeddings"]) - first_position(config), str(config.get("model_type")))


def first_position(config: Mapping[str, Any]) -> int:
    """Return the position of a text's first token: RoBERTa's family begins after the padding's, and so reads two tokens less."""
    return int(config.get("pad_token_id") or 0) + 1 if config.get("model_type") in POSITIONS_AFTER_PADDING else 0


def read_pooling(folder: Path) -> str:
    """Return how the model's folder says that token vectors become one.

    Raises:
        ConfigError: in a way that is not built, or with further layers behind.
    """
    modes = read_json(folder / "1_Pooling" / "config.json")
    named = modes.get("pooling_mode")
    chosen = [pooling for pooling, key in POOLINGS.items() if modes.get(key) or pooling == named]
    if len(chosen) != 1:
        raise ConfigError(f"pooling {modes}", where=str(folder / "1_Pooling"), expected=f"one of {', '.join(POOLINGS)}")
    return chosen[0]


def check_modules(folder: Path) -> None:
    """Refuse a model with layers behind the pooling, such as a projection: its vectors would be others. ConfigError."""
    if not (folder / "modules.json").is_file():
        return
    kinds = {str(module.get("type", "")).rpartition(".")[2] for module in read_json(folder / "modules.json")}
    if strange := sorted(kinds - MODULES):
        raise ConfigError(f"module {', '.join(strange)}", where=str(folder / "modules.json"), expected=f"{', '.join(sorted(MODULES))} only",
                          action="serve the model behind an endpoint: embedding.model endpoint:NAME")


def digests_of(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file that decides a vector.

    Raises:
        ConfigError: one is missing.
    """
    try:
        return {name: file_digest(folder / name) for name in _decisive(folder)}
    except OSError as error:
        raise ConfigError(str(error), where=str(folder), expected="a folder with " + ", ".join(DECISIVE)) from error


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file; OSError if it cannot be read."""
    stat = path.stat()
    return _sha256(path, stat.st_size, stat.st_mtime_ns)


def read_json(path: Path) -> Any:
    """Return a file's value; ConfigError if it cannot be read."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        found = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"cannot be read ({found})", where=str(path), expected="a JSON file of the model folder") from error


def _decisive(folder: Path) -> list[str]:
    """Return the names of the files that decide a vector; large models come in parts, which an index names."""
    if (folder / WEIGHTS).exists() or not (folder / INDEX).exists():
        return list(DECISIVE)
    parts = sorted(set(read_json(folder / INDEX).get("weight_map", {}).values()))
    return [*(name for name in DECISIVE if name != WEIGHTS), INDEX, *parts]


@lru_cache(maxsize=64)
def _sha256(path: Path, _size: int, _changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
