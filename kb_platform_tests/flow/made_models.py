"""A real BERT folder made in a moment: the bundled tokenizer before a small network of random weights."""

import json
import shutil
import struct
from pathlib import Path

import numpy as np

from kb_platform.index.bundled_model import bundled_folder


def make_model(folder: Path, hidden: int = 64, seed: int = 1) -> Path:
    """Write a one-layer encoder with vectors of `hidden` dimensions, mean pooling; return its folder."""
    folder.mkdir()
    shutil.copy(bundled_folder() / "tokenizer.json", folder)
    config = {"model_type": "bert", "hidden_size": hidden, "num_attention_heads": 2, "num_hidden_layers": 1, "layer_norm_eps": 1e-12,
              "max_position_embeddings": 256}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    (folder / "model.safetensors").write_bytes(_safetensors(_weights(hidden, np.random.default_rng(seed))))
    return folder


def _weights(hidden: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    shapes = {"embeddings.word_embeddings.weight": (30522, hidden), "embeddings.position_embeddings.weight": (256, hidden),
              "embeddings.token_type_embeddings.weight": (2, hidden)}
    layer = "encoder.layer.0."
    sizes = {f"{layer}attention.self.{part}": (hidden, hidden) for part in ("query", "key", "value")}
    sizes |= {f"{layer}attention.output.dense": (hidden, hidden), f"{layer}intermediate.dense": (2 * hidden, hidden),
              f"{layer}output.dense": (hidden, 2 * hidden)}
    for name, (out, into) in sizes.items():
        shapes |= {f"{name}.weight": (out, into), f"{name}.bias": (out,)}
    weights = {name: rng.normal(0, 0.1, shape).astype(np.float32) for name, shape in shapes.items()}
    for name in ("embeddings", f"{layer}attention.output", f"{layer}output"):
        weights |= {f"{name}.LayerNorm.weight": np.ones(hidden, np.float32), f"{name}.LayerNorm.bias": np.zeros(hidden, np.float32)}
    return weights


def _safetensors(weights: dict[str, np.ndarray]) -> bytes:
    header, offset = {}, 0
    for name, value in weights.items():
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [offset, offset + value.nbytes]}
        offset += value.nbytes
    head = json.dumps(header).encode()
    return struct.pack("<Q", len(head)) + head + b"".join(value.tobytes() for value in weights.values())
