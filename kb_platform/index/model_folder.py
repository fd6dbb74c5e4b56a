"""The embedding space that a choice of a model makes, and the way from a space back to the model's files.

A space is found without loading the model: of the bundled one everything is known, of others the configuration is read and the files
are hashed. Where a space's model is, its location says: a folder, a model of the hub, or behind an endpoint, of which this process has
the tokenizer only. Bytes are compared before they are used: search never answers with another model than the release's.
"""

from dataclasses import dataclass
from pathlib import Path

from kb_platform.index.bundled_model import BUNDLED_DIGESTS, BUNDLED_NAME, bundled_folder, bundled_tokenizer, model_digest
from kb_platform.index.chunk import ChunkParameters
from kb_platform.index.hub import PREFIX, hub_folder, hub_id
from kb_platform.index.model_files import check_modules, digests_of, file_digest, read_config, read_pooling
from kb_platform.index.tokens import ModelTokenizer
from kb_platform.knowledge.errors import ConfigError
from kb_platform.knowledge.spaces import SERVED, EmbeddingChoice, EmbeddingSpace

BUNDLED_SHA256 = model_digest(BUNDLED_DIGESTS)
BUNDLED_SIZE, BUNDLED_READS = 384, 512


@dataclass(frozen=True)
class _Model:
    """What a space takes from a model: `size` of its vectors, `reads` tokens at most; None where only its endpoint knows."""

    name: str
    sha256: str
    size: int
    reads: int | None
    pooling: str
    location: str = ""


def space_of(choice: EmbeddingChoice) -> EmbeddingSpace:
    """Return the space that a knowledge base asks for.

    Raises:
        ConfigError: the folder is no model, or the choice asks for more than the model has.
        TransientError: the model is on the hub, which does not answer.
    """
    model = _chosen(choice)
    dimension = choice.dimension or model.size
    for wanted, most, field in ((dimension, model.size, "dimension"), (choice.max_tokens, model.reads, "max_tokens")):
        if most is not None and wanted > most:
            raise ConfigError(f"{field} {wanted}", where="embedding", expected=f"at most {most}, which {model.name} has")
    if choice.passage_prefix[-1:].isalnum():
        raise ConfigError(f"passage_prefix {choice.passage_prefix!r}", where="embedding",
                          expected="a blank or punctuation at its end, or it would join the first word")
    return EmbeddingSpace(
        model=model.name, model_sha256=model.sha256, dimension=dimension, max_tokens=choice.max_tokens, pooling=model.pooling,
        query_prefix=choice.query_prefix, passage_prefix=choice.passage_prefix, chunker=chunk_parameters(choice).fingerprint,
        normalize=choice.normalize, location=model.location,
    )


def chunk_parameters(choice: EmbeddingChoice) -> ChunkParameters:
    """Return the chunker's sizes; ConfigError where they cannot hold."""
    return ChunkParameters(choice.max_tokens, choice.content_tokens, choice.section_min, choice.piece_min)


def folder_of(space: EmbeddingSpace) -> Path:
    """Return the folder of a space's model, downloaded if it is on the hub and not here.

    Raises:
        ConfigError: it is not there, or holds other bytes.
    """
    if space.model_sha256 == BUNDLED_SHA256:
        return bundled_folder()
    if space.location.startswith(PREFIX):
        folder = hub_folder(space.location)
    elif not (folder := Path(space.location)).is_dir():
        raise _gone(space)
    check_files(folder, space)
    return folder


def tokenizer_of(space: EmbeddingSpace) -> ModelTokenizer:
    """Return the tokenizer of a space's model, its bytes compared.

    Raises:
        ConfigError: it is not there, or is another.
    """
    if not space.served:
        return bundled_tokenizer() if space.model_sha256 == BUNDLED_SHA256 else ModelTokenizer(folder_of(space))
    folder = _folder(space.location)
    if not folder.is_dir():
        raise _gone(space)
    if (found := _tokenizer_digest(folder)) != space.model_sha256:
        raise ConfigError(f"another tokenizer than that of the embedding space (digest {found[:12]})", where=str(folder),
                          expected=f"that of {space.model} (digest {space.model_sha256[:12]})",
                          action="put it back, or open a new embedding space for it")
    return ModelTokenizer(folder)


def size_of(space: EmbeddingSpace) -> int:
    """Return how many dimensions the model's own vectors have, of which a space may keep the leading ones."""
    if space.served:
        return space.dimension
    return BUNDLED_SIZE if space.model_sha256 == BUNDLED_SHA256 else read_config(folder_of(space)).size


def check_files(folder: Path, space: EmbeddingSpace) -> None:
    """Refuse a folder whose files are not those of the space: ConfigError."""
    found = digests_of(folder)
    if model_digest(found) != space.model_sha256:
        raise ConfigError(
            "other bytes than those of the embedding space: " + ", ".join(f"{name} {digest[:12]}" for name, digest in found.items()),
            where=str(folder), expected=f"the files of {space.model} (digest {space.model_sha256[:12]})",
            action="put the model's files back, or open a new embedding space for it",
        )  # fmt: skip


def _chosen(choice: EmbeddingChoice) -> _Model:
    if choice.endpoint:
        return _served(choice)
    if choice.tokenizer is not None:
        raise ConfigError(f"tokenizer {choice.tokenizer!r}", where="embedding", expected="none: the model has its own",
                          action="leave it out, except with a model endpoint:NAME")
    if choice.model == "bundled":
        return _Model(BUNDLED_NAME, BUNDLED_SHA256, BUNDLED_SIZE, BUNDLED_READS, choice.pooling or "mean")
    folder = _folder(choice.model)
    config, digest = read_config(folder), model_digest(digests_of(folder))
    check_modules(folder)
    name = hub_id(choice.model) if choice.model.startswith(PREFIX) else folder.name
    return _Model(name, digest, config.size, config.reads, choice.pooling or read_pooling(folder), choice.model)


def _served(choice: EmbeddingChoice) -> _Model:
    """Return a model that only its endpoint has. Its bytes are not known here: the tokenizer's are, and its name must do for the rest."""
    if choice.dimension is None or choice.tokenizer is None or choice.pooling is not None:
        raise ConfigError(f"dimension {choice.dimension}, tokenizer {choice.tokenizer}, pooling {choice.pooling}", where="embedding",
                          expected="for a model behind an endpoint its dimension and its tokenizer (hf:ID@COMMIT or a folder), and no pooling")
    folder = _folder(choice.tokenizer)
    return _Model(choice.endpoint, _tokenizer_digest(folder), choice.dimension, None, SERVED, choice.tokenizer)


def _folder(name: str) -> Path:
    if name == "bundled":
        return bundled_folder()
    return hub_folder(name) if name.startswith(PREFIX) else Path(name)


def _tokenizer_digest(folder: Path) -> str:
    try:
        return model_digest({"tokenizer.json": file_digest(folder / "tokenizer.json")})
    except OSError as error:
        raise ConfigError(str(error), where=str(folder), expected="a folder with tokenizer.json") from error


def _gone(space: EmbeddingSpace) -> ConfigError:
    return ConfigError(
        f"the model of embedding space {space.space_id} is not there", where=space.location,
        expected=f"the files of {space.model} (digest {space.model_sha256[:12]})",
        action="put the folder back, or promote a release of another embedding space",
    )
