"""A BERT encoder built from a model folder's safetensors with OpenVINO's operators: no export, no ONNX file, no torch.

Output is the last hidden state; pooling is the caller's. Two details decide the accuracy in bf16: the attention mask is boolean
(an additive mask of -1e9 loses a digit of cosine, one of -3e38 everything), and layer norm adds epsilon inside the root.
Architecture: Devlin et al., BERT, NAACL 2019.
"""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from kb_platform.index.openvino_runtime import op, ov
from kb_platform.knowledge.errors import ConfigError

Weights = dict[str, np.ndarray]


def read_safetensors(path: Path) -> Weights:
    """Return the float32 tensors of a file as views on the mapped file; ConfigError if one has another type."""
    raw = np.memmap(path, np.uint8, "r")
    body = 8 + struct.unpack("<Q", raw[:8].tobytes())[0]
    header: dict[str, Any] = json.loads(raw[8:body].tobytes())
    weights = {}
    for name, tensor in header.items():
        if name == "__metadata__" or tensor["dtype"] == "I64":  # position_ids, which the architecture implies
            continue
        if tensor["dtype"] != "F32":
            raise ConfigError(f"tensor {name} is {tensor['dtype']}", where=str(path), expected="float32 weights")
        start, end = tensor["data_offsets"]
        weights[name] = raw[body + start : body + end].view(np.float32).reshape(tensor["shape"])
    return weights


def build_encoder(folder: Path) -> ov.Model:
    """Return the encoder: int32 `input_ids` and `attention_mask` [batch, tokens] to float32 [batch, tokens, hidden]."""
    config = json.loads((folder / "config.json").read_text())
    kind = (config.get("model_type"), config.get("hidden_act", "gelu"), config.get("position_embedding_type", "absolute"))
    if kind != ("bert", "gelu", "absolute"):
        raise ConfigError(f"model type {kind[0]!r}, activation {kind[1]!r}, positions {kind[2]!r}", where=str(folder / "config.json"),
                          expected="bert, gelu, absolute: all that this processor's embedder knows",
                          action="set KB_EMBEDDER to cuda, torch or endpoint: docs/embedding.md")
    weights = read_safetensors(folder / "model.safetensors")
    layers = _Layers(weights, config["num_attention_heads"], config["layer_norm_eps"])
    ids, mask = (op.parameter([-1, -1], np.int32, name=name) for name in ("input_ids", "attention_mask"))
    seen = op.not_equal(op.unsqueeze(mask, _ints(1, 2)), op.constant(np.int32(0)))
    x = layers.embed(ids)
    for i in range(config["num_hidden_layers"]):
        x = layers.transform(x, seen, f"encoder.layer.{i}.")
    return ov.Model([x], [ids, mask], "bert")  # pyright: ignore[reportGeneralTypeIssues]  (openvino's stub shadows its own class)


class _Layers:
    """The parts of the encoder, each reading its weights by name."""

    def __init__(self, weights: Weights, heads: int, epsilon: float) -> None:
        self._weights, self._heads, self._epsilon = weights, heads, epsilon
        self._hidden = weights["embeddings.LayerNorm.weight"].shape[0]

    def embed(self, ids: ov.Node) -> ov.Node:
        """Add word, position and type embeddings, normalised."""
        length = op.gather(op.shape_of(ids), _ints(1), _ints(0))
        positions = op.slice(self._constant("embeddings.position_embeddings.weight"), _ints(0), length, _ints(1), _ints(0))
        words = op.gather(self._constant("embeddings.word_embeddings.weight"), ids, _ints(0))
        types = op.constant(np.ascontiguousarray(self._weights["embeddings.token_type_embeddings.weight"][0]))
        return self._norm(op.add(op.add(words, positions), types), "embeddings.LayerNorm")

    def transform(self, x: ov.Node, seen: ov.Node, name: str) -> ov.Node:
        """Return one layer: self-attention, then the feed-forward part, each with residual and norm."""
        query, key, value = (self._split(self._linear(x, f"{name}attention.self.{part}")) for part in ("query", "key", "value"))
        heads = op.transpose(op.scaled_dot_product_attention(query, key, value, seen), _ints(0, 2, 1, 3))
        attended = self._linear(op.reshape(heads, _ints(0, 0, self._hidden), special_zero=True), f"{name}attention.output.dense")
        x = self._norm(op.add(attended, x), f"{name}attention.output.LayerNorm")
        inner = op.gelu(self._linear(x, f"{name}intermediate.dense"), "erf")
        return self._norm(op.add(self._linear(inner, f"{name}output.dense"), x), f"{name}output.LayerNorm")

    def _constant(self, name: str) -> ov.Node:
        return op.constant(np.ascontiguousarray(self._weights[name]))

    def _linear(self, x: ov.Node, name: str) -> ov.Node:
        product = op.matmul(x, self._constant(f"{name}.weight"), transpose_a=False, transpose_b=True)
        return op.add(product, self._constant(f"{name}.bias"))

    def _norm(self, x: ov.Node, name: str) -> ov.Node:
        normal = op.mvn(x, _ints(-1), normalize_variance=True, eps=self._epsilon, eps_mode="inside_sqrt")
        return op.add(op.multiply(normal, self._constant(f"{name}.weight")), self._constant(f"{name}.bias"))

    def _split(self, x: ov.Node) -> ov.Node:
        shape = _ints(0, 0, self._heads, self._hidden // self._heads)
        return op.transpose(op.reshape(x, shape, special_zero=True), _ints(0, 2, 1, 3))


def _ints(*values: int) -> ov.Node:
    return op.constant(np.array(values, np.int64))
