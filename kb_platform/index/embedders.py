"""Which embedder computes the vectors of a space: the one place where that is decided.

The space decides first: a model that only an endpoint has is asked there, whatever else is set, so that a release of such a model and
one of a local model can be compared in one process. How local models are computed is the deployment's choice.
"""

from dataclasses import dataclass, replace
from typing import Literal

from kb_platform.index.agreement import check_agreement
from kb_platform.index.embed import Embedder, OpenVinoEmbedder
from kb_platform.index.embeddings_client import EmbeddingsEndpoint
from kb_platform.index.endpoint_embedder import EndpointEmbedder
from kb_platform.index.model_files import read_config
from kb_platform.index.model_folder import folder_of
from kb_platform.knowledge.errors import ConfigError
from kb_platform.knowledge.spaces import EmbeddingSpace

Kind = Literal["cpu", "cuda", "torch", "endpoint"]
Precision = Literal["auto", "f16", "bf16", "f32"]


@dataclass(frozen=True)
class Deployment:
    """How this process computes vectors. The endpoint's `model` is empty where it goes by the space's own name."""

    kind: Kind = "cpu"
    precision: Precision = "auto"
    endpoint: EmbeddingsEndpoint | None = None


def load_for(space: EmbeddingSpace, deployment: Deployment) -> Embedder:
    """Load the embedder of a space.

    Raises:
        ConfigError: files, libraries, devices or addresses are missing; or what computes does not give the vectors of the space.
    """
    if space.served:
        return EndpointEmbedder(space, replace(_endpoint(deployment, space), model=space.model))
    if deployment.kind == "endpoint":
        return _checked_endpoint(space, deployment)
    if deployment.kind == "cpu":
        return _on_processor(space, deployment.precision)
    return _by_torch(space, deployment.kind, deployment.precision)


def _on_processor(space: EmbeddingSpace, precision: Precision = "auto") -> Embedder:
    if precision == "f16":
        raise ConfigError("KB_EMBEDDER_PRECISION=f16", where="KB_EMBEDDER=cpu", expected="auto, bf16 or f32", action="f16 is for GPUs")
    return OpenVinoEmbedder(folder_of(space), space, precision)


def _by_torch(space: EmbeddingSpace, kind: Kind, precision: Precision = "auto") -> Embedder:
    from kb_platform.index.torch_devices import gpus
    from kb_platform.index.torch_embedder import TorchEmbedder

    return TorchEmbedder(folder_of(space), space, gpus() if kind == "cuda" else ["cpu"], precision)


def _checked_endpoint(space: EmbeddingSpace, deployment: Deployment) -> EndpointEmbedder:
    endpoint = _endpoint(deployment, space)
    embedder = EndpointEmbedder(space, endpoint)
    check_agreement(embedder, _reference(space), f"{endpoint.model} at {endpoint.url}")
    return embedder


def _reference(space: EmbeddingSpace) -> Embedder:
    """Return what computes the space's vectors from its files, in this process."""
    bert = read_config(folder_of(space)).architecture == "bert"
    return _on_processor(space) if bert else _by_torch(space, "torch")


def _endpoint(deployment: Deployment, space: EmbeddingSpace) -> EmbeddingsEndpoint:
    if deployment.endpoint is None:
        raise ConfigError("KB_EMBEDDER_URL is not set", where=f"embedding space {space.space_id} of {space.model}",
                          expected="the OpenAI-compatible endpoint that serves it", action="set KB_EMBEDDER_URL, also where questions are asked")
    return replace(deployment.endpoint, model=deployment.endpoint.model or space.model)
