"""What commands share: the settings, a running database, a knowledge base's YAML, its stores."""

import fcntl
import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from kb_platform.knowledge.errors import ConfigError
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.settings import Settings, export

if TYPE_CHECKING:  # half a second, which `kb --help` does without
    from kb_platform.storage.stores import Store

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
        said = [": ".join([*(f"KB_{name}".upper() for name in e["loc"]), e["msg"].removeprefix("Value error, ")]) for e in error.errors()]
        raise ConfigError("; ".join(said), where="environment", action="see docs/variables.md") from None


def account(option: str) -> str:
    """Return the name of the account that runs the command; in a container it may have none.

    Raises:
        ConfigError: it has none, and `option` has to say who it is.
    """
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
    """Hold a running database for the length of a command; the last command out stops a server that no `kb up` keeps."""
    from kb_platform.cli.output import working
    from kb_platform.local.environment import ensure_database, environment, is_embedded
    from kb_platform.local.places import make_home
    from kb_platform.local.postgres import running_postgres, stop_postgres

    chosen = settings()
    make_home(chosen.home)
    passing = chosen.home / PASSING
    with _counted(chosen.home) as is_last:
        if is_embedded(chosen) and running_postgres(chosen.home) is None:
            passing.touch()
        with working(message, quiet=quiet):
            ensure_database(chosen)
        export(environment(chosen))
        try:
            yield
        finally:
            _close()
            if passing.exists() and is_last():
                stop_postgres(chosen.home)
                passing.unlink(missing_ok=True)


@contextmanager
def staying_up() -> Iterator[None]:
    """Start servers that outlive the command: no other command stops them on its way out."""
    from kb_platform.local.places import make_home

    home = settings().home
    make_home(home)
    with _counted(home):
        yield
        (home / PASSING).unlink(missing_ok=True)


@contextmanager
def _counted(home: Path) -> Iterator[Callable[[], bool]]:
    """Share a lock with the other commands of this home; the yielded function tells whether none is left."""
    with (home / "commands.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)

        def is_last() -> bool:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
            return True

        yield is_last


def _close() -> None:
    from kb_platform.resources import close_stores

    close_stores()


def knowledge_base(name: str) -> KnowledgeBase:
    """Return one knowledge base from its YAML.

    Raises:
        ConfigError: there is none of this name, or its YAML is wrong (field, file and line).
    """
    path = settings().defs / name / "defs.yaml"
    if not path.is_file():
        known = sorted(p.parent.name for p in settings().defs.glob("*/defs.yaml"))
        raise ConfigError(f"no knowledge base {name!r}", where=str(settings().defs), expected=f"one of {', '.join(known)}" if known else "",
                          action=f"create it with `kb new {name} --from PATH`, or set KB_DEFS")
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
