"""A home with a real Postgres for the whole folder, and knowledge bases made of a few small files."""

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from kb_platform.cli import session
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.settings import Settings
from kb_platform_tests.homes import at_home, serving_home

MakeKb = Callable[..., KnowledgeBase]
NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def served() -> Iterator[Settings]:
    """Yield the settings of a home whose Postgres runs to the end."""
    with serving_home("kb-flow-") as chosen:
        yield chosen


@pytest.fixture(scope="module", autouse=True)
def home(served: Settings) -> Iterator[Path]:
    """Yield the folder that holds the home and its knowledge bases, while a module's tests work there."""
    with at_home(served):
        yield served.home.parent


def write_kb(home: Path, name: str, files: dict[str, str], **attributes: object) -> KnowledgeBase:
    """Write a knowledge base over a folder of files."""
    folder = home / "defs" / name
    for path, text in files.items():
        target = folder / "documents" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    body = {"name": name, "start_date": "2026-01-01", "sources": [{"name": "docs", "kind": "files", "path": "documents"}]} | attributes
    (folder / "defs.yaml").write_text(yaml.safe_dump({"type": "kb_platform.components.KnowledgeBase", "attributes": body}))
    return session.knowledge_base(name)


@pytest.fixture
def make_kb(home: Path) -> Iterator[MakeKb]:
    """Yield a function that writes a knowledge base over a folder of files, under a name that no other test has."""
    made: list[KnowledgeBase] = []
    number = next(NUMBERS)

    def make(files: dict[str, str], suffix: str = "", **attributes: object) -> KnowledgeBase:
        made.append(write_kb(home, f"t{number}{suffix}", files, **attributes))
        return made[-1]

    yield make
    for kb in made:
        shutil.rmtree(kb.folder)
