"""Whether another way of computing gives the vectors of a space: a few texts are embedded both ways when it is loaded.

An endpoint that serves another model of the same size answers just as readily, and its vectors would lie among those of the space
without anybody seeing it. The texts are of several lengths and scripts; vectors of one model agree on all of them.
"""

import numpy as np

from kb_platform.index.embed import Embedder
from kb_platform.knowledge.errors import ConfigError

LEAST_COSINE = 0.999
LENGTHS_AGREE = 0.02  # of the vectors, as a share, where the space keeps them
PROBES = (
    "Aspirin thins the blood.", "Wo steht der Notfallwagen auf Station 7?", "血圧は毎朝測定してください。",
    "The dose is reduced by half in patients whose creatinine clearance is below 30 ml/min, and the level is checked after three days. " * 3,
)


def check_agreement(found: Embedder, reference: Embedder, where: str) -> None:
    """Refuse an embedder whose vectors are not those of the reference, to cosine 0.999.

    Raises:
        ConfigError: the least cosine, and where it was found.
    """
    theirs, ours = found.embed(PROBES), reference.embed(PROBES)
    cosine = least_cosine(theirs, ours)
    apart = float(np.abs(np.linalg.norm(theirs, axis=1) / np.linalg.norm(ours, axis=1) - 1).max())
    if cosine >= LEAST_COSINE and apart <= LENGTHS_AGREE:
        return
    raise ConfigError(
        f"vectors at cosine {cosine:.4f} to those of the model's files" + (f", lengths {apart:.0%} apart" if apart > LENGTHS_AGREE else ""),
        where=where, expected=f"{found.space.model}, {found.space.pooling} pooling, without prefixes or prompts of its own: cosine {LEAST_COSINE}",
        action="serve that model, or open a new embedding space: embedding.model endpoint:NAME",
    )


def least_cosine(one: np.ndarray, other: np.ndarray) -> float:
    """Return the least cosine between rows of the same number; NaN, which compares as less than anything, if one is not finite."""
    return float(((one * other).sum(axis=1) / (np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1))).min())
