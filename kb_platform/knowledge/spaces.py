"""The embedding space: everything that decides what a vector means.

Two vectors may be compared only when they come from the same space; a change of any field opens a new one.
"""

import hashlib
import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class EmbeddingSpace:
    """Identity of a vector space.

    Arithmetic precision is not part of it: bf16 and f32 vectors of the bundled model agree to cosine 0.9999 (measured), so a
    machine with bf16 units and one without may share a space.
    """

    model: str
    model_sha256: str
    dimension: int
    max_tokens: int
    pooling: str
    query_prefix: str
    passage_prefix: str
    chunker: str

    def describe(self) -> dict[str, str | int]:
        """Return the fields, for storage and display."""
        return asdict(self)

    @property
    def space_id(self) -> str:
        """Return 16 hex digits of the SHA-256 over all fields."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    def text_hash(self, embedded_text: str) -> bytes:
        """Return the key under which this text's vector is reused (SHA-256 over space and text)."""
        return hashlib.sha256(f"{self.space_id}\0{embedded_text}".encode()).digest()
