"""What commands share: the settings, a running database, a knowledge base's YAML, its stores."""

import getpass
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from kb_platform.knowledge.errors import ConfigError
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.wrong_values import in_words
from kb_platform.settings import Settings, export

if TYPE_CHECKING:  # half a second, which `kb --help` does without
    from kb_platform.storage.stores import Store

NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
PASSING = "postgres-of-a-command"  # marks a server that the last command out stops

_chosen: list[Settings] = []


def settings() -> Settings:
    """Return the settings of this process, or those that `use` put in their place.

    Raises:
        ConfigError: a variable says what cannot be meant.
    """
    if _chosen:
        return _chosen[-1]
    try:
        return Settings()
    except ValidationError as error:
        said = [": ".join([*(f"KB_{name}".upper() for name in e["loc"]), in_words(e)]) for e in error.errors()]
        raise ConfigError("; ".join(said), where="environment", action="see docs/variables.md") from None


def who(said: str | None, option: str = "--by") -> str:
    """Return who does what a command does: as an option says, else the account that runs it, which may have no name in a container.

    Raises:
        ConfigError: it has none, and `option` has to say who it is.
    """
    if name := (said or "").strip():
        return name
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError) as error:
        raise ConfigError("the account that runs this has no name", expected="a person's name on the record", action=f"add {option} NAME") from error


@contextmanager
def use(other: Settings) -> Iterator[None]:
    """Let commands work in another home for a while."""
    _chosen.append(other)
    try:
        yield
    finally:
        _chosen.pop()


@contextmanager
def database_running(message: str = "starting Postgres", *, quiet: bool = True) -> Iterator[None]:
    """Hold a running database for the length of a command; the last command out stops a server that no `kb up` keeps.

    Where something else runs that `kb up` has started, a server that a command had to start after a crash is left to it, too.
    """
    from kb_platform.cli.output import working
    from kb_platform.local.environment import ensure_database, environment, is_embedded
    from kb_platform.local.lock import shared
    from kb_platform.local.places import make_home
    from kb_platform.local.postgres import running_postgres, stop_postgres
    from kb_platform.local.programs import any_runs

    chosen = settings()
    make_home(chosen.home)
    passing = chosen.home / PASSING
    with shared(_commands(chosen.home)) as is_last:
        if is_embedded(chosen) and running_postgres(chosen.home) is None and not any_runs(chosen.home):
            passing.touch()
        with working(message, quiet=quiet):
            ensure_database(chosen)
        export(environment(chosen))
        try:
            yield
        finally:
            _close()
            if passing.exists() and is_last() and not any_runs(chosen.home):
                stop_postgres(chosen.home)
                passing.unlink(missing_ok=True)


@contextmanager
def staying_up() -> Iterator[None]:
    """Start servers that outlive the command: no other command stops them on its way out."""
    from kb_platform.local.lock import shared
    from kb_platform.local.places import make_home

    home = settings().home
    make_home(home)
    with shared(_commands(home)):
        yield
        (home / PASSING).unlink(missing_ok=True)


def _commands(home: Path) -> Path:
    """Return the lock that all commands of a home share, in a folder that only its owner may enter."""
    return home / "dagster" / "commands.lock"


def _close() -> None:
    from kb_platform.resources import close_stores

    close_stores()


def knowledge_base(name: str) -> KnowledgeBase:
    """Return one knowledge base from its YAML.

    Raises:
        ConfigError: there is none of this name, or its YAML is wrong (field, file and line).
    """
    path = settings().defs / name / "defs.yaml"
    if not NAME.fullmatch(name) or not path.is_file():
        known = sorted(p.parent.name for p in settings().defs.glob("*/defs.yaml"))
        raise ConfigError(f"no knowledge base {name!r}", where=str(settings().defs), expected=f"one of {', '.join(known)}" if known else "",
                          action=f"create it with `kb new {name if NAME.fullmatch(name) else 'NAME'} --from PATH`, or set KB_DEFS")
    from kb_platform.components.knowledge_base.validate import read_of_its_folder

    return read_of_its_folder(path)


def known_knowledge_bases() -> list[KnowledgeBase]:
    """Return all knowledge bases whose YAML can be read; `kb validate` names the others."""
    found = []
    for path in sorted(settings().defs.glob("*/defs.yaml")):
        with suppress(ConfigError):
            found.append(knowledge_base(path.parent.name))
    return found


def store(name: str) -> "Store":
    """Return a knowledge base's stores."""
    from kb_platform.resources import open_store

    return open_store(name)
