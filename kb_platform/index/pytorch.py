"""PyTorch and transformers, imported where they are used: they come with the extra `gpu`, take seconds to load, and few need them."""

from importlib import import_module
from typing import Any

from kb_platform.knowledge.errors import ConfigError


def pytorch() -> Any:
    """Return the module `torch`.

    Raises:
        ConfigError: it is not installed.
    """
    return _module("torch")


def transformers() -> Any:
    """Return the module `transformers`, which then writes neither progress bars nor warnings.

    Raises:
        ConfigError: it is not installed.
    """
    module = _module("transformers")
    module.utils.logging.disable_progress_bar()
    module.utils.logging.set_verbosity_error()
    return module


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigError(f"{error.name} is not installed", where="KB_EMBEDDER", expected="the extra `gpu`",
                          action="pip install 'kb-platform[gpu]', or set KB_EMBEDDER to cpu or endpoint") from error
