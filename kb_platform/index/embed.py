"""Texts into vectors on the processor: all that the pipeline and the search need of a model, and the OpenVINO one.

Why OpenVINO and not sentence-transformers: 4 times the throughput where the processor has bf16 units (1.4 times in float32),
0.7 s instead of 12 s to start, half the memory, no torch; the vectors agree to cosine 0.9999. bench/embed_cpu.py measures it.
What the throughput rests on: batches of texts of like length, small enough to stay in the cache, one stream per core.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Literal, Protocol

import numpy as np

from kb_platform.index.bundled_model import bundled_folder, bundled_space
from kb_platform.index.cores import usable_cores
from kb_platform.index.model_folder import check_files
from kb_platform.index.model_inputs import ModelInputs
from kb_platform.index.tokens import ModelTokenizer
from kb_platform.knowledge.errors import ConfigError
from kb_platform.knowledge.spaces import EmbeddingSpace

Precision = Literal["auto", "bf16", "f32"]
BATCH = 8  # texts; 4 to 8 is best, 32 costs a tenth and twice the memory


def never() -> bool:
    """Return that nobody has given up."""
    return False


LoadEmbedder = Callable[[EmbeddingSpace], "Embedder"]


class Embedder(Protocol):
    """A model that turns texts into vectors of one space."""

    @property
    def space(self) -> EmbeddingSpace:
        """Return what the vectors mean."""
        ...

    def embed(self, texts: Sequence[str], given_up: Callable[[], bool] = never) -> np.ndarray:
        """Return float32 [len(texts), dimension], in the order of the texts, of length 1 if the space says so. Too long a text raises.

        Once `given_up()` is true nobody wants the vectors any more: it ends soon, with CancelledError.
        """
        ...

    def embed_query(self, text: str) -> np.ndarray:
        """Return float32 [dimension], of length 1 if the space says so. A question longer than the model reads is cut at its limit."""
        ...

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 [len(texts), dimension]: each row as `embed_query` gives it, many at once."""
        ...

    def unread(self, text: str) -> tuple[list[str], float]:
        """Return the words of a text that the model has no token for, and their share of all words."""
        ...


class ModelEmbedder(ABC):
    """What embedders share, whatever computes: too long a passage is refused, a question is cut (model_inputs.py)."""

    def __init__(self, space: EmbeddingSpace, inputs: ModelInputs) -> None:
        self.space, self.inputs = space, inputs

    def embed(self, texts: Sequence[str], given_up: Callable[[], bool] = never) -> np.ndarray:
        """Return one vector per text; PermanentError if a text has more tokens than the model reads."""
        return self._vectors(self.inputs.passages(texts), given_up)

    def embed_query(self, text: str) -> np.ndarray:
        """Return the vector of a question. What lies beyond the model's limit is not read, and the log says so."""
        return self.embed_queries([text])[0]

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        """Return one vector per question; each is cut at the model's limit, and the log says so."""
        return self._vectors(self.inputs.questions(texts), never)

    def unread(self, text: str) -> tuple[list[str], float]:
        """Return the words of a text that the model has no token for, and their share of all words."""
        return self.inputs.tokenizer.unread(text)

    @abstractmethod
    def _vectors(self, inputs: list[str], given_up: Callable[[], bool]) -> np.ndarray:
        """Return float32 [len(inputs), dimension] of texts that have their prefixes."""


class OpenVinoEmbedder(ModelEmbedder):
    """A BERT sentence encoder from a folder in the sentence-transformers layout (config.json, model.safetensors, tokenizer.json).

    `precision` auto takes bf16 where the processor computes it natively, f32 elsewhere. It is set explicitly, because OpenVINO
    left alone picks bf16 by itself. The order and company of texts move a vector by less than 1e-6: never compare bit by bit.
    Calls from several threads wait for each other.
    """

    def __init__(self, folder: Path, space: EmbeddingSpace, precision: Precision = "auto", cores: int | None = None) -> None:
        """Check the files against the space and compile. ConfigError if they are not the space's, or cannot be computed here."""
        from kb_platform.index.bert import build_encoder
        from kb_platform.index.openvino_runtime import ov

        check_files(folder, space)
        super().__init__(space, ModelInputs(space, ModelTokenizer(folder)))
        core, streams = ov.Core(), cores or usable_cores()
        self.precision = _precision(precision, core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
        options = {"INFERENCE_PRECISION_HINT": self.precision, "PERFORMANCE_HINT": "THROUGHPUT"}
        options |= {"NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": streams}
        self._queue = ov.AsyncInferQueue(core.compile_model(build_encoder(folder), "CPU", options), 2 * streams)
        self._queue.set_callback(partial(_pool, space))  # no method of ours: the queue would keep us, and we it, for good
        self._lock = Lock()

    def _vectors(self, inputs: list[str], given_up: Callable[[], bool]) -> np.ndarray:
        tokens = self.inputs.ids(inputs)
        out = np.empty((len(tokens), self.space.dimension), np.float32)
        size = np.array([len(ids) for ids in tokens], int)
        order = np.argsort(-size, kind="stable")
        with self._lock:
            try:
                for rows in (order[i : i + BATCH] for i in range(0, len(order), BATCH)):
                    if given_up():
                        break
                    ids, mask = np.zeros((2, len(rows), size[rows[0]]), np.int32)
                    for row, i in enumerate(rows):
                        ids[row, : size[i]], mask[row, : size[i]] = tokens[i], 1
                    self._queue.start_async({"input_ids": ids, "attention_mask": mask}, (rows, mask, out))
            finally:
                self._queue.wait_all()  # also after an error: what is under way must not outlive the model
        if given_up():
            raise CancelledError
        return out


def load_bundled_embedder(precision: Precision = "auto") -> OpenVinoEmbedder:
    """Load the model that comes with the platform: under a second."""
    return OpenVinoEmbedder(bundled_folder(), bundled_space(), precision)


def _pool(space: EmbeddingSpace, request: Any, job: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    """Pool in float32; keep the leading dimensions, which models trained for it may be cut to (Kusupati et al., 2022)."""
    rows, mask, out = job
    pooled = _POOLINGS[space.pooling](request.get_output_tensor(0).data, mask)[:, : space.dimension]
    out[rows] = pooled / np.linalg.norm(pooled, axis=1, keepdims=True) if space.normalize else pooled


def _precision(wanted: Precision, capabilities: Sequence[str]) -> str:
    native = "BF16" in capabilities
    if wanted == "bf16" and not native:
        raise ConfigError("this processor has no bf16 units", expected="AVX512_BF16 or AMX", action="set the precision to auto or f32")
    return ("bf16" if native else "f32") if wanted == "auto" else wanted


def _mean(hidden: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Average over real tokens."""
    weights = mask.astype(np.float32)
    return np.einsum("bsh,bs->bh", hidden.astype(np.float32, copy=False), weights) / weights.sum(axis=1, keepdims=True)


def _cls(hidden: np.ndarray, _mask: np.ndarray) -> np.ndarray:
    """Take the first token's vector."""
    return hidden[:, 0].astype(np.float32)


def _last(hidden: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Take the last real token's vector."""
    return hidden[np.arange(len(hidden)), mask.sum(axis=1) - 1].astype(np.float32)


_POOLINGS = {"mean": _mean, "cls": _cls, "lasttoken": _last}
