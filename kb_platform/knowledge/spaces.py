"""The embedding space: everything that decides what a vector means.

Two vectors may be compared only when they come from the same space; a change of any field opens a new one.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

SERVED = "endpoint"  # the pooling of a space whose model only an endpoint has
ENDPOINT = "endpoint:"


@dataclass(frozen=True)
class EmbeddingChoice:
    """What a knowledge base's YAML asks for; None takes what the model's own files say.

    `model` is `bundled`, a folder, `hf:ID@COMMIT`, or `endpoint:NAME`; the last one needs `dimension`, and a `tokenizer` to count with.
    """

    model: str = "bundled"
    dimension: int | None = None
    max_tokens: int = 256
    pooling: str | None = None
    normalize: bool = True
    query_prefix: str = ""
    passage_prefix: str = ""
    content_tokens: int = 200
    section_min: int = 32
    piece_min: int = 64
    tokenizer: str | None = None

    @property
    def endpoint(self) -> str:
        """Return the model's name at its endpoint; empty for a model whose files are here."""
        return self.model.removeprefix(ENDPOINT) if self.model.startswith(ENDPOINT) else ""


@dataclass(frozen=True)
class EmbeddingSpace:
    """Identity of a vector space.

    Arithmetic precision is not part of it: bf16 and f32 vectors of the bundled model agree to cosine 0.9999 (measured), so a
    machine with bf16 units and one without may share a space. Nor is `location`, where the model's files are (a folder or
    `hf:ID@COMMIT`; empty: the bundled model): the bytes count, wherever they lie. Of a model that only an endpoint has, `model_sha256`
    and `location` are the tokenizer's, and the pooling is `SERVED`.
    """

    model: str
    model_sha256: str
    dimension: int
    max_tokens: int
    pooling: str
    query_prefix: str
    passage_prefix: str
    chunker: str
    normalize: bool = True
    location: str = field(default="", compare=False)

    @classmethod
    def from_description(cls, description: Mapping[str, Any], location: str) -> "EmbeddingSpace":
        """Return the space that `describe` described."""
        return cls(**description, location=location)

    def describe(self) -> dict[str, str | int]:
        """Return what makes the space, for its id and for storage.

        `normalize` joined later and is named only where it is off: the ids of the spaces before it stay.
        """
        fields = asdict(self)
        del fields["location"]
        if self.normalize:
            del fields["normalize"]
        return fields

    @property
    def served(self) -> bool:
        """Tell whether only an endpoint can compute vectors of this space."""
        return self.pooling == SERVED

    @cached_property
    def space_id(self) -> str:
        """Return 16 hex digits of the SHA-256 over the description."""
        return id_of(self.describe())

    def text_hash(self, embedded_text: str) -> bytes:
        """Return the key under which this text's vector is reused (SHA-256 over space and text)."""
        return hashlib.sha256(f"{self.space_id}\0{embedded_text}".encode()).digest()


def id_of(description: Mapping[str, Any]) -> str:
    """Return the id that a description gives a space."""
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()[:16]
