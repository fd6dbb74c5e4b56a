"""What commands share: the settings, a running database, a knowledge base's YAML, its stores."""

from collections.abc import Iterator
from contextlib import contextmanager

from kb_platform.knowledge.errors import ConfigError
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.settings import Settings, export
from kb_platform.storage.stores import Store

_chosen: list[Settings] = []


def settings() -> Settings:
    """Return the settings of this process, or those that `use` put in their place."""
    return _chosen[-1] if _chosen else Settings()


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
    """Hold a running database for the length of a command; one that the command started is stopped again."""
    from kb_platform.cli.output import working
    from kb_platform.local.environment import ensure_database, environment, is_embedded
    from kb_platform.local.places import make_home
    from kb_platform.local.postgres import running_postgres, stop_postgres

    chosen = settings()
    make_home(chosen.home)
    started = is_embedded(chosen) and running_postgres(chosen.home) is None
    with working(message, quiet=quiet):
        ensure_database(chosen)
    export(environment(chosen))
    try:
        yield
    finally:
        if started:
            _close()
            stop_postgres(chosen.home)


def _close() -> None:
    from kb_platform.resources import close_stores

    close_stores()


def knowledge_base(name: str) -> KnowledgeBase:
    """Return one knowledge base from its YAML.

    Raises:
        ConfigError: there is none of this name, or its YAML is wrong (field, file and line).
    """
    from kb_platform.components.knowledge_base.validate import read_knowledge_base

    path = settings().defs / name / "defs.yaml"
    if not path.is_file():
        known = sorted(p.parent.name for p in settings().defs.glob("*/defs.yaml"))
        raise ConfigError(f"no knowledge base {name!r}", where=str(settings().defs), expected=f"one of {', '.join(known) or 'none'}",
                          action=f"create it with `kb new {name} --from PATH`, or set KB_DEFS")
    return read_knowledge_base(path)


def store(name: str) -> Store:
    """Return a knowledge base's stores."""
    from kb_platform.resources import open_store

    return open_store(name)
