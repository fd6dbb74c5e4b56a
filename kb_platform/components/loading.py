"""Loads a folder of knowledge bases, which may lie in another repository. One that cannot be loaded takes no other one away."""

import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

import dagster as dg
from dagster.components.core.component_tree import ComponentTree

from kb_platform.components.unloadable import Unloadable, shown_in_the_pages
from kb_platform.knowledge.errors import ConfigError, KbError

MODULE = "kb_definitions"


def load_knowledge_bases(folder: Path) -> dg.Definitions:
    """Return the definitions of every defs.yaml in and below a folder.

    Without the schemas of all component types, which Dagster's pages could show: they take most of the time, and
    docs/yaml-reference.md has them.

    Raises:
        ConfigError: there is no such folder.
        Exception: whatever Dagster has to say of a definition that it cannot load.
    """
    if not folder.is_dir():
        raise ConfigError("no such folder", where=str(folder), expected="a folder of knowledge bases", action="set KB_DEFS")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # dozens of lines about our use of backfill_policy, and Dagster's own
        return ComponentTree.from_module(defs_module=_module(folder), project_root=folder).build_defs(folder)


def load_what_loads(folder: Path, beside: dg.Definitions) -> dg.Definitions:
    """Return the definitions of a folder with those `beside`; of what cannot be loaded, an asset that says why.

    Mostly all of it loads at once. Only where that fails is each part loaded alone, and then added to those before it.

    Raises:
        ConfigError: there is no such folder.
    """
    try:
        for part in parts_of(folder):
            refuse_unreadable(part / "defs.yaml")
        return _checked(load_knowledge_bases(folder), beside)
    except Exception:  # whatever it is, it must not take the other knowledge bases away; the parts below say what it was
        if not folder.is_dir():
            raise
    good, bad = beside, []
    for part in parts_of(folder):
        try:
            refuse_unreadable(part / "defs.yaml")
            good = _checked(good, load_knowledge_bases(part))
        except Exception as error:
            bad.append(Unloadable(part.relative_to(folder).as_posix(), what_is_wrong(part, error)))
    return dg.Definitions.merge(good, shown_in_the_pages(bad))


def require_loadable(folder: Path, beside: Sequence[Path] = ()) -> None:
    """Load one knowledge base, as Dagster will: for what its YAML alone does not tell.

    Raises:
        ConfigError: it cannot be loaded, alone or with those beside it.
    """
    from kb_platform.resources.platform import Platform

    try:
        refuse_unreadable(folder / "defs.yaml")
        _checked(*(load_knowledge_bases(each) for each in (*beside, folder)), dg.Definitions(resources={"platform": Platform()}))
    except Exception as error:
        raise ConfigError(what_is_wrong(folder, error)) from error


def what_is_wrong(folder: Path, error: Exception) -> str:
    """Return why a knowledge base cannot be loaded: what its YAML says wrongly, with file and line, else what the error says."""
    from kb_platform.components.knowledge_base.validate import read_of_its_folder

    path = folder / "defs.yaml"
    try:
        if path.is_file():
            read_of_its_folder(path)
    except KbError as said:
        return str(said)
    innermost: BaseException = error
    while innermost.__cause__ is not None:
        innermost = innermost.__cause__
    line = next(iter(str(innermost).strip().splitlines()), type(innermost).__name__)
    return f"{path if path.is_file() else folder}:1: {line}"


def refuse_unreadable(path: Path) -> None:
    """Keep from Dagster what would take all its memory or time; a file that is not there is none.

    Raises:
        ConfigError: the YAML cannot be read.
    """
    from kb_platform.components.knowledge_base.validate import read_yaml

    if path.is_file():
        read_yaml(path)


def _checked(*parts: dg.Definitions) -> dg.Definitions:
    """Return them together, resolved: names that two of them use are found here, not by whoever loads the code location."""
    together = dg.Definitions.merge(*parts)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        dg.Definitions.validate_loadable(together)
    return together


def parts_of(folder: Path) -> list[Path]:
    """Return the folders that can be loaded alone; those further up come first, and so keep a name that two of them use."""
    return sorted(_parts(folder), key=lambda part: (len(part.parts), part))


def _parts(folder: Path) -> Iterator[Path]:
    """Yield the folders that can be loaded alone: those with a defs.yaml, and others that hold none."""
    inside = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith((".", "__"))]
    if (folder / "defs.yaml").is_file() or not any(next(path.rglob("defs.yaml"), None) for path in inside):
        yield folder
        return
    for path in inside:
        yield from _parts(path)


def _module(folder: Path) -> ModuleType:
    """Return a package whose path is the folder: Dagster wants a module, and the folder need not be importable."""
    module = ModuleType(MODULE)
    module.__path__ = [str(folder)]
    module.__file__ = str(folder / "__init__.py")
    sys.modules[MODULE] = module
    return module
