"""Models of the Hugging Face Hub, by id and commit: `hf:BAAI/bge-base-en-v1.5@a5beb1e3e68b9ab74eb54cfd186867f64f240e1a`.

A commit is required: a branch or a tag can be moved, and a model that changes under its name would embed everything anew. What is in
huggingface_hub's cache is not asked for again, so that a cache that was filled elsewhere (HF_HOME, HF_HUB_OFFLINE=1) is enough; its
other variables (HF_ENDPOINT for a mirror, HF_TOKEN) hold as everywhere. Weights are safetensors or nothing: a pickle can run code.
"""

import logging
import re
from functools import partial
from pathlib import Path

from kb_platform.knowledge.errors import ConfigError, TransientError
from kb_platform.settings import silence_hub

PREFIX = "hf:"
FILES = ("config.json", "tokenizer.json", "modules.json", "1_Pooling/config.json", "model*.safetensors", "model.safetensors.index.json")
_NAME = re.compile(r"hf:(?P<id>[\w.-]+(?:/[\w.-]+)?)@(?P<commit>[0-9a-f]{40})")

log = logging.getLogger(__name__)


def hub_id(name: str) -> str:
    """Return the id in `hf:ID@COMMIT`.

    Raises:
        ConfigError: it has another form.
    """
    return _parsed(name)[0]


def hub_folder(name: str) -> Path:
    """Return the folder with a model's files in huggingface_hub's cache, downloaded if they are not there.

    Raises:
        ConfigError: no such model or commit, or no right to it; or it is not in the cache, and the hub is switched off.
        TransientError: the hub does not answer.
    """
    silence_hub()
    from huggingface_hub import errors, snapshot_download
    from huggingface_hub.utils import disable_progress_bars

    repository, commit = _parsed(name)
    disable_progress_bars()
    fetch = partial(snapshot_download, repository, revision=commit, allow_patterns=list(FILES))
    try:
        return Path(fetch(local_files_only=True))
    except errors.LocalEntryNotFoundError:
        log.info("%s is fetched from the hub", name)
    try:
        return Path(fetch())
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:  # one that needs a licence to be accepted, too
        raise ConfigError(f"the hub has no such model or commit, or none for this token ({type(error).__name__})", where=name,
                          expected="a model that can be read", action="check id and commit; for a gated model set HF_TOKEN") from error
    except (OSError, errors.XetDownloadError) as error:
        raise _unreachable(name, repository, commit) from error


def _unreachable(name: str, repository: str, commit: str) -> ConfigError | TransientError:
    from huggingface_hub import constants

    action = f"fill the cache where the hub can be reached, and bring HF_HOME here: hf download {repository} --revision {commit}"
    if constants.is_offline_mode():
        return ConfigError(f"not, or not whole, in the cache {constants.HF_HUB_CACHE}, and HF_HUB_OFFLINE is set", where=name, action=action)
    return TransientError(f"not, or not whole, in the cache {constants.HF_HUB_CACHE}, and {constants.ENDPOINT} does not answer", where=name,
                          action=f"try again, or {action}")


def _parsed(name: str) -> tuple[str, str]:
    match = _NAME.fullmatch(name)
    if match is None:
        raise ConfigError(f"model {name!r}", where="embedding", expected="hf:OWNER/NAME@COMMIT with the 40 digits of a commit",
                          action="take the commit from the model's page, Files, History: a branch or tag can be moved")
    return match["id"], match["commit"]
