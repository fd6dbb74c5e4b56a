"""Attention over texts laid end to end, without padding: an attention implementation for transformers' models.

On a GPU it is PyTorch's variable-length flash attention; on a processor, where that has no kernel, one text after the other. The caller
passes `text_starts` (int32 [texts + 1], where each text begins, and the end) and `longest` through the model's forward.
"""

from importlib import import_module
from typing import Any

from kb_platform.index.pytorch import pytorch, transformers

NAME = "kb_packed"


def register() -> None:
    """Make the implementation known to transformers under `NAME`; no mask is made for it."""
    transformers().AttentionInterface.register(NAME, _attend)


def _attend(
    _module: Any, query: Any, key: Any, value: Any, _mask: Any = None, *, scaling: float | None = None, text_starts: Any, longest: int, **_: Any
) -> tuple[Any, None]:
    """Return [1, tokens, heads, size] for query, key and value of [1, heads, tokens, size]."""
    parts = [part[0].transpose(0, 1).contiguous() for part in (query, key, value)]
    if query.is_cuda:
        attended = import_module("torch.nn.attention.varlen").varlen_attn(*parts, text_starts, text_starts, longest, longest, scale=scaling)
    else:
        attended = _one_by_one(parts, text_starts.tolist(), scaling)
    return attended.unsqueeze(0), None


def _one_by_one(parts: list[Any], starts: list[int], scaling: float | None) -> Any:
    torch = pytorch()
    attend = torch.nn.functional.scaled_dot_product_attention
    texts = []
    for start, end in zip(starts, starts[1:], strict=False):
        query, key, value = (part[start:end].transpose(0, 1) for part in parts)
        texts.append(attend(query, key, value, scale=scaling).transpose(0, 1))
    return torch.cat(texts)
