"""What an OpenAI-compatible endpoint says to a request for embeddings, believed only as far as it can be checked. No I/O is here."""

import json
from typing import Any

import numpy as np

from kb_platform.knowledge.errors import PermanentError


def read_vectors(content: bytes, texts: int, size: int, least_tokens: int) -> np.ndarray:
    """Return float32 [texts, size], in the order of the request.

    `least_tokens` is what the texts have by our count, special tokens left out. A server that reads fewer has cut texts, or has
    another tokenizer than the embedding space: either way the vectors are not those of the texts.

    Raises:
        PermanentError: another number of vectors or of dimensions, another order, values that are no numbers, or cut texts.
    """
    reply = _parsed(content)
    vectors = _embeddings(reply, texts)
    lengths = sorted({len(vector) for vector in vectors})
    if lengths != [size]:
        raise PermanentError(f"vectors of {', '.join(map(str, lengths))} dimensions", expected=f"{size}, as the embedding space has")
    values = _numbers(vectors)
    if values.shape != (texts, size) or not np.isfinite(values).all():
        raise PermanentError("a vector holds something that is no finite number", expected="numbers")
    if not np.linalg.norm(values, axis=1).all():
        raise PermanentError("a vector of length 0", expected="a direction: search goes by cosine")
    _check_usage(reply, least_tokens)
    return values


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        reply = json.loads(content)
    except (ValueError, RecursionError):
        reply = None
    if not isinstance(reply, dict) or not isinstance(reply.get("data"), list):
        raise PermanentError(f"{len(content)} bytes that are no list of embeddings", expected="OpenAI's response to /embeddings")
    return reply


def _embeddings(reply: dict[str, Any], texts: int) -> list[list[Any]]:
    items = [item if isinstance(item, dict) else {} for item in reply["data"]]
    if len(items) != texts:
        raise PermanentError(f"{len(items)} vectors for {texts} texts", expected="one for each")
    if [item.get("index") for item in items] != list(range(texts)):
        raise PermanentError("vectors in another order than the texts", expected="index 0, 1, 2, ...")
    vectors = [item.get("embedding") for item in items]
    if not all(isinstance(vector, list) for vector in vectors):
        raise PermanentError("an embedding that is no list", expected="encoding_format float")
    return vectors  # pyright: ignore[reportReturnType]  (all are lists)


def _numbers(vectors: list[list[Any]]) -> np.ndarray:
    """Return float32 of the same shape; an empty array where something is no number, infinity where it is too large."""
    try:
        found = np.asarray(vectors)
    except ValueError:  # lists within, of several lengths
        return np.empty(0, np.float32)
    with np.errstate(over="ignore"):
        return found.astype(np.float32) if found.dtype.kind in "fi" else np.empty(0, np.float32)


def _check_usage(reply: dict[str, Any], least_tokens: int) -> None:
    """Compare with the tokens that the server counted; some count none, and say 0 or nothing."""
    usage = reply.get("usage")
    read = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    if isinstance(read, int) and 0 < read < least_tokens:
        raise PermanentError(f"the endpoint read {read} tokens of texts that have {least_tokens}", expected="whole texts",
                             action="raise the endpoint's limit, lower embedding.max_tokens, or name the tokenizer of its model")
