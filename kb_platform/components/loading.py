"""Loads a folder of knowledge bases, which may lie in another repository."""

import sys
import warnings
from pathlib import Path
from types import ModuleType

import dagster as dg
from dagster.components.core.component_tree import ComponentTree

from kb_platform.knowledge.errors import ConfigError

MODULE = "kb_definitions"


def load_knowledge_bases(folder: Path) -> dg.Definitions:
    """Return the definitions of every defs.yaml in and below a folder.

    Without the schemas of all component types, which Dagster's pages could show: they take most of the time, and
    docs/yaml-reference.md has them.

    Raises:
        ConfigError: there is no such folder.
    """
    if not folder.is_dir():
        raise ConfigError("no such folder", where=str(folder), expected="a folder of knowledge bases", action="set KB_DEFS")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # dozens of lines about our use of backfill_policy, and Dagster's own
        return ComponentTree.from_module(defs_module=_module(folder), project_root=folder).build_defs(folder)


def _module(folder: Path) -> ModuleType:
    """Return a package whose path is the folder: Dagster wants a module, and the folder need not be importable."""
    module = ModuleType(MODULE)
    module.__path__ = [str(folder)]
    module.__file__ = str(folder / "__init__.py")
    sys.modules[MODULE] = module
    return module
