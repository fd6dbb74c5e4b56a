"""The knowledge bases that are served: as their YAML says now, each with its database and what searches it as its reader."""

import logging
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from kb_platform.components.knowledge_base.validate import read_of_its_folder
from kb_platform.index.fusion import FusionParameters
from kb_platform.index.retrieve import Retriever
from kb_platform.knowledge.errors import KbError
from kb_platform.resources import database_url, load_embedder, open_store
from kb_platform.serving.problems import Problem
from kb_platform.storage.database import NAME, Database
from kb_platform.storage.revisions import revision
from kb_platform.storage.search import readable_release

LOG = logging.getLogger(__name__)
Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class Base:
    """A knowledge base at hand."""

    name: str
    database: Database
    retriever: Retriever


class Bases:
    """Opens knowledge bases when they are first asked for, and again when their defs.yaml has changed."""

    def __init__(self, defs: Path) -> None:
        self._defs, self._lock = defs, Lock()
        self._opened: dict[str, tuple[Stamp, Base]] = {}

    def names(self) -> list[str]:
        """Return the names of all there are."""
        return sorted(path.parent.name for path in self._defs.glob("*/defs.yaml"))

    def warm(self) -> None:
        """Load the models of what is live, so that the first question need not wait. What cannot be loaded says so when it is asked for."""
        for name in self.names():
            try:
                if NAME.fullmatch(name) and revision(Database(database_url(), name)):
                    base = self.open(name)
                    base.retriever.prepare(["warm"], readable_release(base.database, None, "reader"))
            except (KbError, Problem) as error:
                LOG.info("%s is not loaded ahead", name, extra={"said": {"why": str(error)}})

    def open(self, name: str) -> Base:
        """Return one of them. A name that is none, such as a path, finds nothing: it comes from who asks.

        Raises:
            Problem: there is none of this name.
            ConfigError: its YAML is wrong.
        """
        path = self._defs / name / "defs.yaml"
        try:
            found = path.stat() if NAME.fullmatch(name) else None
        except OSError:
            found = None
        if found is None:
            raise Problem(404, "unknown_knowledge_base", "No such knowledge base", f"there is none called {name}")
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        with self._lock:
            known = self._opened.get(name)
            if known is None or known[0] != stamp:
                known = self._opened[name] = (stamp, _open(path))
        return known[1]


def _open(path: Path) -> Base:
    kb = read_of_its_folder(path)
    database = open_store(kb.name).database
    return Base(kb.name, database, Retriever(database, load_embedder, FusionParameters.from_settings(kb.search)))
