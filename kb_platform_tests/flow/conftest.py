"""A home with a real Postgres for the whole folder, and knowledge bases made of a few small files."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from kb_platform.cli import session
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.local.supervisor import down
from kb_platform.settings import Settings

MakeKb = Callable[..., KnowledgeBase]


@pytest.fixture(scope="package")
def home() -> Iterator[Path]:
    """Yield a home whose Postgres runs while the tests of this folder do."""
    folder = Path(tempfile.mkdtemp(prefix="kb-flow-"))
    folder.chmod(0o755)
    chosen = Settings(home=folder / "home", defs=folder / "defs", database_url=None, object_store=str(folder / "objects"))
    (folder / "defs").mkdir()
    before = dict(os.environ)
    try:
        with session.use(chosen), session.database_running():
            yield folder
    finally:
        down(chosen, wipe=True)
        os.environ.clear()
        os.environ.update(before)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def make_kb(home: Path, request: pytest.FixtureRequest) -> Iterator[MakeKb]:
    """Yield a function that writes a knowledge base over a folder of files."""
    made: list[KnowledgeBase] = []

    def make(files: dict[str, str], suffix: str = "", **attributes: object) -> KnowledgeBase:
        name = f"t{abs(hash(request.node.name)) % 10**8}{suffix}"
        folder = home / "defs" / name
        for path, text in files.items():
            target = folder / "documents" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        body = {"name": name, "start_date": "2026-01-01", "sources": [{"name": "docs", "kind": "files", "path": "documents"}]} | attributes
        (folder / "defs.yaml").write_text(yaml.safe_dump({"type": "kb_platform.components.KnowledgeBase", "attributes": body}))
        made.append(session.knowledge_base(name))
        return made[-1]

    yield make
    for kb in made:
        shutil.rmtree(kb.folder)
