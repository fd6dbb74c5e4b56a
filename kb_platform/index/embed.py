"""Texts into vectors on the processor: all that the pipeline and the search need of a model, and the OpenVINO one.

Why OpenVINO and not sentence-transformers: 4 times the throughput where the processor has bf16 units (1.4 times in float32),
0.7 s instead of 12 s to start, half the memory, no torch; the vectors agree to cosine 0.9999. bench/embed_cpu.py measures it.
What the throughput rests on: batches of texts of like length, small enough to stay in the cache, one stream per core.
"""

import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Literal, Protocol

import numpy as np

from kb_platform.index.bundled_model import BUNDLED_DIGESTS, bundled_folder, bundled_space, model_digest
from kb_platform.index.cores import usable_cores
from kb_platform.index.tokens import ModelTokenizer
from kb_platform.knowledge.errors import ConfigError, PermanentError
from kb_platform.knowledge.spaces import EmbeddingSpace

Precision = Literal["auto", "bf16", "f32"]
BATCH = 8  # texts; 4 to 8 is best, 32 costs a tenth and twice the memory

log = logging.getLogger(__name__)


class Embedder(Protocol):
    """A model that turns texts into vectors of one space."""

    @property
    def space(self) -> EmbeddingSpace:
        """Return what the vectors mean."""
        ...

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 [len(texts), dimension], rows of length 1, in the order of the texts. Too long a text raises."""
        ...

    def embed_query(self, text: str) -> np.ndarray:
        """Return float32 [dimension] of length 1. A question longer than the model reads is cut at its limit."""
        ...


class OpenVinoEmbedder:
    """A BERT sentence encoder from a folder in the sentence-transformers layout (config.json, model.safetensors, tokenizer.json).

    `precision` auto takes bf16 where the processor computes it natively, f32 elsewhere. It is set explicitly, because OpenVINO
    left alone picks bf16 by itself. The order and company of texts move a vector by less than 1e-6: never compare bit by bit.
    Calls from several threads wait for each other.
    """

    def __init__(self, folder: Path, space: EmbeddingSpace, precision: Precision = "auto", cores: int | None = None) -> None:
        """Check the files against the space and compile. ConfigError if they are not the space's, or cannot be computed here."""
        import openvino as ov

        from kb_platform.index.bert import build_encoder

        _check_files(folder, space)
        self.space = space
        self.tokenizer = ModelTokenizer(folder)
        core, streams = ov.Core(), cores or usable_cores()
        self.precision = _precision(precision, core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
        options = {"INFERENCE_PRECISION_HINT": self.precision, "PERFORMANCE_HINT": "THROUGHPUT"}
        options |= {"NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": streams}
        self._queue = ov.AsyncInferQueue(core.compile_model(build_encoder(folder), "CPU", options), 2 * streams)
        self._queue.set_callback(_POOLINGS[space.pooling])
        self._lock = Lock()

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Return one vector per text; PermanentError if a text has more tokens than the model reads."""
        tokens = self.tokenizer.ids([self.space.passage_prefix + text for text in texts])
        longest = max(range(len(tokens)), key=lambda i: len(tokens[i]), default=0)
        if tokens and len(tokens[longest]) > self.space.max_tokens:
            raise PermanentError(
                f"{len(tokens[longest])} tokens in text {longest}", where=self.space.model,
                expected=f"at most {self.space.max_tokens}, special tokens included", action="split the text: see chunk_document",
            )  # fmt: skip
        return self._infer(tokens)

    def embed_query(self, text: str) -> np.ndarray:
        """Return the vector of a question. What lies beyond the model's limit is not read, and the log says so."""
        text = self.space.query_prefix + text
        room = self.space.max_tokens - self.tokenizer.special_tokens
        if (size := self.tokenizer.count(text)) > room:
            log.warning("a question of %d tokens was cut at %d, the model's limit", size, room)
            text = self.tokenizer.truncate(text, room)
        return self._infer(self.tokenizer.ids([text]))[0]

    def _infer(self, tokens: list[list[int]]) -> np.ndarray:
        out = np.empty((len(tokens), self.space.dimension), np.float32)
        size = np.array([len(ids) for ids in tokens], int)
        order = np.argsort(-size, kind="stable")
        with self._lock:
            for rows in (order[i : i + BATCH] for i in range(0, len(order), BATCH)):
                ids, mask = np.zeros((2, len(rows), size[rows[0]]), np.int32)
                for row, i in enumerate(rows):
                    ids[row, : size[i]], mask[row, : size[i]] = tokens[i], 1
                self._queue.start_async({"input_ids": ids, "attention_mask": mask}, (rows, mask, out))
            self._queue.wait_all()
        return out


def load_bundled_embedder(precision: Precision = "auto") -> OpenVinoEmbedder:
    """Load the model that comes with the platform: under a second."""
    return OpenVinoEmbedder(bundled_folder(), bundled_space(), precision)


def space_of_folder(
    folder: Path, name: str, chunker: str, *, max_tokens: int, query_prefix: str = "", passage_prefix: str = ""
) -> EmbeddingSpace:
    """Describe another model folder of the same architecture (bge, e5, MiniLM); reads the whole of its weights once."""
    return EmbeddingSpace(
        model=name, model_sha256=model_digest(_digests(folder)), dimension=_read_json(folder / "config.json")["hidden_size"],
        max_tokens=max_tokens, pooling=_pooling(folder), query_prefix=query_prefix, passage_prefix=passage_prefix, chunker=chunker,
    )  # fmt: skip


def _check_files(folder: Path, space: EmbeddingSpace) -> None:
    found = _digests(folder)
    if model_digest(found) != space.model_sha256:
        raise ConfigError(
            "other bytes than those of the embedding space: " + ", ".join(f"{name} {digest[:12]}" for name, digest in found.items()),
            where=str(folder), expected=f"the files of {space.model} (digest {space.model_sha256[:12]})",
            action="reinstall the model, or open a new embedding space for it",
        )  # fmt: skip


def _digests(folder: Path) -> dict[str, str]:
    try:
        return {name: _sha256(folder / name) for name in BUNDLED_DIGESTS}
    except OSError as error:
        raise ConfigError(str(error), where=str(folder), expected="a folder with " + ", ".join(BUNDLED_DIGESTS)) from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _precision(wanted: Precision, capabilities: Sequence[str]) -> str:
    native = "BF16" in capabilities
    if wanted == "bf16" and not native:
        raise ConfigError("this processor has no bf16 units", expected="AVX512_BF16 or AMX", action="set the precision to auto or f32")
    return ("bf16" if native else "f32") if wanted == "auto" else wanted


def _pooling(folder: Path) -> str:
    modes = _read_json(folder / "1_Pooling" / "config.json")
    chosen = [mode for mode in _POOLINGS if modes.get({"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token"}[mode])]
    if len(chosen) != 1:
        raise ConfigError(f"pooling {modes}", where=str(folder / "1_Pooling"), expected=f"one of {', '.join(_POOLINGS)}")
    return chosen[0]


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(str(error), where=str(path), expected="a JSON file of the model folder") from error


def _pool_mean(request: Any, job: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    """Average over real tokens in float32. The division by the count is left out: the length is set to 1 anyway."""
    rows, mask, out = job
    hidden = request.get_output_tensor(0).data.astype(np.float32, copy=False)
    out[rows] = _unit(np.einsum("bsh,bs->bh", hidden, mask.astype(np.float32)))


def _pool_cls(request: Any, job: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    """Take the first token's vector."""
    rows, _, out = job
    out[rows] = _unit(request.get_output_tensor(0).data[:, 0].astype(np.float32))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


_POOLINGS = {"mean": _pool_mean, "cls": _pool_cls}
