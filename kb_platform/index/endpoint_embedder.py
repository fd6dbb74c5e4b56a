"""Vectors from an OpenAI-compatible endpoint (TEI, vLLM, Infinity, a hosted one): the same interface, and no model in this process.

Tokens are counted here, before anything is sent: servers cut what is too long without a word. Prefixes, the leading dimensions and
the length of 1 are made here too, so that an endpoint is asked for nothing but the model's own vectors.
"""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from threading import Lock

import httpx
import numpy as np

from kb_platform.index.embed import ModelEmbedder
from kb_platform.index.embeddings_client import EmbeddingsClient, EmbeddingsEndpoint, Pause, Request
from kb_platform.index.model_folder import size_of, tokenizer_of
from kb_platform.index.model_inputs import ModelInputs
from kb_platform.knowledge.spaces import EmbeddingSpace

POLL = 0.1  # seconds until somebody who has given up is noticed
_Batch = tuple[slice, Request]


class EndpointEmbedder(ModelEmbedder):
    """Embeds through an endpoint; a reply that is wrong is a PermanentError. Calls from several threads wait for each other: the endpoint's limit is for all of them."""

    def __init__(self, space: EmbeddingSpace, endpoint: EmbeddingsEndpoint, pause: Pause = asyncio.sleep) -> None:
        """Load the tokenizer. ConfigError if it is not the space's."""
        super().__init__(space, ModelInputs(space, tokenizer_of(space)))
        self._client = EmbeddingsClient(endpoint, size_of(space), pause)
        self._lock = Lock()

    def _vectors(self, inputs: list[str], given_up: Callable[[], bool]) -> np.ndarray:
        sizes = [len(ids) for ids in self.inputs.ids(inputs)]
        out = np.empty((len(inputs), self.space.dimension), np.float32)
        with self._lock:
            asyncio.run(self._all(self._batches(inputs, sizes), out, given_up))
        return out

    def _batches(self, inputs: list[str], sizes: list[int]) -> Iterator[_Batch]:
        step, special = self._client.endpoint.batch, self.inputs.tokenizer.special_tokens
        for part in (slice(start, start + step) for start in range(0, len(inputs), step)):
            yield part, Request(inputs[part], sum(sizes[part]) - special * len(sizes[part]))

    async def _all(self, batches: Iterator[_Batch], out: np.ndarray, given_up: Callable[[], bool]) -> None:
        """Fill `out`, with as many requests at a time as allowed; the first error, or somebody who gave up, ends the others."""
        async with self._client.connections() as http:
            running = {asyncio.create_task(self._some(http, batches, out)) for _ in range(self._client.endpoint.concurrency)}
            try:
                while running:
                    if given_up():
                        raise CancelledError
                    done, running = await asyncio.wait(running, timeout=POLL, return_when=asyncio.FIRST_EXCEPTION)
                    for task in done:
                        task.result()
            finally:
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)

    async def _some(self, http: httpx.AsyncClient, batches: Iterator[_Batch], out: np.ndarray) -> None:
        for part, request in batches:
            vectors = (await self._client.vectors(http, request))[:, : self.space.dimension]
            out[part] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True) if self.space.normalize else vectors
