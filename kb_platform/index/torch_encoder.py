"""One model on one device: a batch of token ids in, a vector for each text out.

What crosses to a GPU is the ids and the lengths, from pinned memory; what comes back is the vectors. Neither holds this thread up until the
vectors are needed, so that a second thread with a stream of its own keeps the device busy meanwhile. Attention runs over texts laid end to
end where the architecture allows it (packed_attention.py), else over rows padded to the longest. Pooling and norm are float32.
"""

from contextlib import AbstractContextManager, nullcontext
from threading import local
from typing import Any

import numpy as np

from kb_platform.index.pytorch import pytorch
from kb_platform.index.token_batches import TokenBatch
from kb_platform.index.torch_model import start_of_positions
from kb_platform.knowledge.spaces import EmbeddingSpace


class TorchEncoder:
    """Computes on `device`; `model` lies there already. Any number of threads may call it, each gets its own stream."""

    def __init__(self, model: Any, device: str, space: EmbeddingSpace, *, packed: bool) -> None:
        self.device, self.packed = device, packed
        self._model, self._space = model, space
        self._first, self._pad = start_of_positions(model), int(model.config.pad_token_id or 0)
        self._thread = local()

    def vectors(self, batch: TokenBatch) -> np.ndarray:
        """Return float32 [texts, dimension], in the order of the batch."""
        torch = pytorch()

        with torch.inference_mode(), self._stream():
            ids, lengths = self._moved(batch.ids), self._moved(batch.lengths)
            compute = self._packed if self.packed else self._padded
            pooled = compute(ids, lengths, batch)[:, : self._space.dimension]
            if self._space.normalize:
                pooled = pooled / torch.linalg.vector_norm(pooled, dim=1, keepdim=True)
            return self._fetched(pooled)

    def _packed(self, ids: Any, lengths: Any, batch: TokenBatch) -> Any:
        """Return float32 [texts, hidden] of texts laid end to end."""
        torch = pytorch()

        ends = lengths.cumsum(0, dtype=torch.int32)
        starts = torch.cat([ends.new_zeros(1), ends])
        before = torch.repeat_interleave(starts[:-1], lengths, output_size=len(batch.ids))
        positions = torch.arange(len(batch.ids), device=self.device) - before + self._first
        hidden = self._model(
            input_ids=ids.unsqueeze(0), position_ids=positions.unsqueeze(0), text_starts=starts, longest=batch.longest,
        ).last_hidden_state[0]
        if self._space.pooling == "cls":
            return hidden[starts[:-1]].float()
        if self._space.pooling == "lasttoken":
            return hidden[ends - 1].float()
        return torch.segment_reduce(hidden.float(), "mean", lengths=lengths.long(), unsafe=True)

    def _padded(self, ids: Any, lengths: Any, batch: TokenBatch) -> Any:
        """Return float32 [texts, hidden] of rows padded to the longest text."""
        torch = pytorch()

        seen = torch.arange(batch.longest, device=self.device) < lengths.unsqueeze(1)
        rows = torch.full(seen.shape, self._pad, dtype=ids.dtype, device=self.device).masked_scatter_(seen, ids)
        even = int(batch.lengths.min()) == batch.longest  # nothing is padding: without a mask attention is flash attention
        hidden = self._model(input_ids=rows, attention_mask=None if even else seen.long()).last_hidden_state
        if self._space.pooling == "cls":
            return hidden[:, 0].float()
        if self._space.pooling == "lasttoken":
            return hidden[torch.arange(len(lengths), device=self.device), lengths - 1].float()
        return (hidden.float() * seen.unsqueeze(2)).sum(1) / lengths.unsqueeze(1)

    def _moved(self, values: np.ndarray) -> Any:
        torch = pytorch()

        here = torch.from_numpy(values)
        return here.pin_memory().to(self.device, non_blocking=True) if self._on_gpu else here

    def _fetched(self, vectors: Any) -> np.ndarray:
        torch = pytorch()

        if not self._on_gpu:
            return vectors.numpy()
        here = torch.empty(vectors.shape, dtype=vectors.dtype, pin_memory=True)
        here.copy_(vectors, non_blocking=True)
        done = torch.cuda.Event(blocking=True)  # this thread sleeps meanwhile
        done.record()
        done.synchronize()
        return here.numpy()

    @property
    def _on_gpu(self) -> bool:
        return self.device != "cpu"

    def _stream(self) -> AbstractContextManager[Any]:
        torch = pytorch()

        if not self._on_gpu:
            return nullcontext()
        if not hasattr(self._thread, "stream"):
            self._thread.stream = torch.cuda.Stream(self.device)
        return torch.cuda.stream(self._thread.stream)
