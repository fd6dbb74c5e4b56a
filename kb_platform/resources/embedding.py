"""How this deployment computes vectors, as the settings say."""

from kb_platform.index.embedders import Deployment
from kb_platform.index.embeddings_client import EmbeddingsEndpoint
from kb_platform.settings import Settings


def deployment(settings: Settings) -> Deployment:
    """Return the settings' part about embedding."""
    key = settings.embedder_api_key
    endpoint = None
    if settings.embedder_url is not None:
        endpoint = EmbeddingsEndpoint(
            settings.embedder_url, settings.embedder_model or "", key.get_secret_value() if key else None, settings.embedder_timeout,
            settings.embedder_concurrency, settings.embedder_batch)
    return Deployment(settings.embedder, settings.embedder_precision, endpoint)
