"""Vectors by PyTorch on every GPU of this machine, or on its processor for models that the default embedder does not know.

    the caller's thread     tokenizes some thousand texts, lays them out in batches of like length, hands them over, tokenizes the next
    two threads a GPU       take the next batch when they are free: while one waits for its vectors the other has the GPU compute

The GPUs take batches from one queue, so that a slower one gets fewer. A batch that a GPU has no room for is halved. When a model is
loaded, a few texts are computed in float32 on the processor too, and the device must agree with that to cosine 0.999: texts laid end to
end are given up for padded rows if they do not, and the load fails if those do not.
"""

import copy
import logging
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, CancelledError, Future, ThreadPoolExecutor, wait
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np

from kb_platform.index.agreement import LEAST_COSINE, PROBES, least_cosine
from kb_platform.index.cores import usable_cores
from kb_platform.index.embed import ModelEmbedder
from kb_platform.index.model_folder import check_files
from kb_platform.index.model_inputs import ModelInputs
from kb_platform.index.pytorch import pytorch
from kb_platform.index.token_batches import TokenBatch, token_batches
from kb_platform.index.tokens import ModelTokenizer
from kb_platform.index.torch_devices import TorchPrecision, arithmetic
from kb_platform.index.torch_encoder import TorchEncoder
from kb_platform.index.torch_model import check_vocabulary, is_large, is_packable, load_model, use_packed
from kb_platform.knowledge.errors import ConfigError, PermanentError, TransientError
from kb_platform.knowledge.spaces import EmbeddingSpace

WINDOW = 2048  # texts that are tokenized and sorted at a time
GPU_TOKENS = 65_536  # of a batch: enough to fill a large GPU, and a few hundred MB of it for a model of 110 M parameters
LEAST_GPU_TOKENS = 8192  # below which a GPU waits for launches more than it computes
CPU_TOKENS = 2048  # small enough to stay in the cache
THREADS_A_GPU = 2
POLL = 0.1  # seconds until somebody who has given up is noticed

log = logging.getLogger(__name__)


class TorchEmbedder(ModelEmbedder):
    """A text encoder from a folder in the sentence-transformers layout, of any architecture that transformers knows.

    `devices` is as PyTorch names them: GPUs, or ["cpu"]. Calls from several threads share the devices. `packed` None lays texts end to
    end on GPUs where model and arithmetic allow it.
    """

    def __init__(
        self, folder: Path, space: EmbeddingSpace, devices: list[str], precision: TorchPrecision = "auto", *, packed: bool | None = None
    ) -> None:
        """Check the files, load the model onto each device, compare. ConfigError if anything of that is not possible."""
        check_files(folder, space)
        super().__init__(space, ModelInputs(space, ModelTokenizer(folder)))
        self.devices = devices
        self._on_gpu = devices != ["cpu"]
        self._encoders = _Loader(folder, space, self.inputs, devices, precision).encoders(packed)
        self._here, free = threading.local(), SimpleQueue[TorchEncoder]()
        for encoder in self._encoders * (THREADS_A_GPU if self._on_gpu else 1):
            free.put(encoder)
        self._pool = ThreadPoolExecutor(free.qsize(), "embed", initializer=_take_device, initargs=(self._here, free))

    @property
    def packed(self) -> bool:
        """Tell whether texts are laid end to end rather than padded."""
        return self._encoders[0].packed

    def _vectors(self, inputs: list[str], given_up: Callable[[], bool]) -> np.ndarray:
        out = np.empty((len(inputs), self.space.dimension), np.float32)
        begun: dict[Future[np.ndarray], np.ndarray] = {}
        try:
            for first in range(0, len(inputs), WINDOW):
                tokens = self.inputs.ids(inputs[first : first + WINDOW], first)
                for batch in token_batches(tokens, self._batch_tokens(tokens), first):
                    begun[self._pool.submit(self._compute, batch)] = batch.rows
                self._collect(begun, out, given_up, wait_for_all=False)
            self._collect(begun, out, given_up, wait_for_all=True)
        finally:
            for future in begun:
                future.cancel()
        if not np.isfinite(out).all():
            raise PermanentError("a vector that is not finite", where=self.space.model, expected="numbers",
                                 action="the arithmetic is too narrow for this model: set KB_EMBEDDER_PRECISION to bf16 or f32")
        return out

    def _batch_tokens(self, tokens: list[list[int]]) -> int:
        """Return how many tokens a batch may have: no more than gives each thread one, within what suits a device."""
        if not self._on_gpu:
            return CPU_TOKENS
        share = sum(map(len, tokens)) // (THREADS_A_GPU * len(self.devices))
        return min(max(share, LEAST_GPU_TOKENS), GPU_TOKENS)

    @staticmethod
    def _collect(begun: dict[Future[np.ndarray], np.ndarray], out: np.ndarray, given_up: Callable[[], bool], *, wait_for_all: bool) -> None:
        """Take what is done out of `begun`; the first error is raised, and whoever has given up is told so."""
        while begun:
            if given_up():
                raise CancelledError
            done, _ = wait(begun, timeout=POLL if wait_for_all else 0, return_when=FIRST_EXCEPTION)
            for future in done:
                out[begun.pop(future)] = future.result()
            if not wait_for_all:
                return

    def _compute(self, batch: TokenBatch) -> np.ndarray:
        torch = pytorch()

        try:
            return self._here.encoder.vectors(batch)
        except torch.OutOfMemoryError as error:
            if len(batch.rows) == 1:
                raise TransientError(f"no memory for one text of {batch.longest} tokens", where=self._here.encoder.device,
                                     action="leave the GPU to this process, or take a larger one") from error
            log.warning("%s has no room for %d texts of up to %d tokens: halved", self._here.encoder.device, len(batch.rows), batch.longest)
        except torch.AcceleratorError as error:  # the process cannot use the device any more
            raise TransientError(f"the GPU failed ({str(error).splitlines()[0]})", where=self._here.encoder.device,
                                 action="run it again, in a new process: vectors that were stored stay") from error
        torch.cuda.empty_cache()
        return np.concatenate([self._compute(half) for half in batch.halves()])


def _take_device(here: threading.local, free: "SimpleQueue[TorchEncoder]") -> None:
    """Give a thread its device. No method of the embedder: the threads would keep it, and it them, for good."""
    here.encoder = free.get()


class _Loader:
    """Puts one model onto devices, each compared with float32 on the processor."""

    def __init__(self, folder: Path, space: EmbeddingSpace, inputs: ModelInputs, devices: list[str], precision: TorchPrecision) -> None:
        self._space, self._devices = space, devices
        self._dtype, self._large = arithmetic(precision, devices, folder), is_large(folder)
        self._model = load_model(folder, self._dtype if self._large else pytorch().float32)
        check_vocabulary(self._model, inputs.tokenizer)
        self._probes = next(token_batches(inputs.ids(inputs.passages(PROBES)), 1 << 20))

    def encoders(self, packed: bool | None) -> list[TorchEncoder]:
        """Return an encoder for each device; `packed` None means where it is possible and agrees."""
        torch = pytorch()

        torch.set_num_threads(usable_cores())
        expected = None if self._large else self._encoder(self._model, "cpu", packed=False).vectors(self._probes)
        possible = is_packable(self._model) and self._devices != ["cpu"] and self._dtype != torch.float32
        ways = [bool(packed)] if packed is not None else [True, False] if possible else [False]
        return [self._on(device, ways, expected) for device in self._devices]

    def _on(self, device: str, ways: list[bool], expected: np.ndarray | None) -> TorchEncoder:
        torch = pytorch()

        model = copy.deepcopy(self._model).to(device=device, dtype=self._dtype)
        if device != "cpu":
            torch.cuda.synchronize(device)
        if expected is None:  # float32 of a large model takes too much memory: padded rows then only have to be finite
            expected = self._encoder(model, device, packed=False).vectors(self._probes)
        trouble = ""
        for packed in ways:
            encoder = self._encoder(model, device, packed=packed)
            try:
                cosine = least_cosine(encoder.vectors(self._probes), expected)
            except RuntimeError as error:  # out of memory, or no kernel (NotImplementedError is one) for this device
                trouble = str(error).splitlines()[0]
            else:
                if cosine >= LEAST_COSINE:
                    return encoder
                trouble = f"vectors at cosine {cosine:.4f} to those in float32"
            log.warning("%s, texts %s: %s", device, "laid end to end" if packed else "padded", trouble)
        raise ConfigError(trouble, where=f"{self._space.model} on {device} in {self._dtype}", expected=f"cosine {LEAST_COSINE}",
                          action="set KB_EMBEDDER_PRECISION to bf16 or f32")

    def _encoder(self, model: Any, device: str, *, packed: bool) -> TorchEncoder:
        if is_packable(model):
            use_packed(model, packed=packed)
        return TorchEncoder(model, device, self._space, packed=packed)
