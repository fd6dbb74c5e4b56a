"""The sample knowledge base moves into another embedding space, back and forth, while a reader searches all the time."""

import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle, groupby
from pathlib import Path

import pytest
import yaml

from kb_platform.cli import session
from kb_platform.cli.queries import make_retriever
from kb_platform.cli.refreshing import refresh_once
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.quality.golden import load_golden_set
from kb_platform.storage.releases import promote
from kb_platform.storage.vectors import space_of_release

NAME = "moving_handbook"
SAMPLE = Path(__file__).parents[2] / "kb_platform" / "defs" / "handbook"
FRIDGE = "How often is the temperature of a medicine fridge read each day?"


@dataclass
class Reader:
    """Searches the live release with one golden question after the other; notes the release and the chunks found each time."""

    kb: KnowledgeBase
    questions: list[str]
    seen: list[tuple[int, list[int]]] = field(default_factory=list)
    failed: list[Exception] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Reader":
        self._thread = threading.Thread(target=self._search)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _search(self) -> None:
        for question in cycle(self.questions):
            if self._ended.is_set():
                return
            try:
                retriever, release = make_retriever(self.kb, "reader", None)
                self.seen.append((release, [hit.chunk_id for hit in retriever.search(question, release, k=5)]))
            except Exception as error:  # noqa: BLE001  whatever it is, the test fails by it
                self.failed.append(error)
                return

    def catch_up(self) -> None:
        """Return when three searches have ended that began after this call; one may be under way now."""
        wanted = len(self.seen) + 4
        while len(self.seen) < wanted and not self.failed:
            time.sleep(0.01)


@pytest.fixture
def handbook(home: Path) -> Iterator[KnowledgeBase]:
    folder = home / "defs" / NAME
    shutil.copytree(SAMPLE, folder)
    yield with_settings(folder, name=NAME)
    shutil.rmtree(folder)


def with_settings(folder: Path, **attributes: object) -> KnowledgeBase:
    body = yaml.safe_load((folder / "defs.yaml").read_text())
    (folder / "defs.yaml").write_text(yaml.safe_dump(body | {"attributes": body["attributes"] | attributes}))
    return session.knowledge_base(NAME)


def test_readers_find_something_of_one_release_at_any_moment_of_a_change_of_space_and_back(handbook: KnowledgeBase) -> None:
    database, goldens = session.store(NAME).database, load_golden_set(handbook.folder / "golden")
    assert goldens is not None
    assert refresh_once(handbook, None, None, quiet=True)["promoted"]
    with Reader(handbook, [golden.question for golden in goldens.goldens]) as reader:
        reader.catch_up()
        moved = with_settings(handbook.folder, embedding={"content_tokens": 160, "passage_prefix": "passage: "})
        report = refresh_once(moved, None, None, quiet=True)
        assert (report["promoted"], report["release"], report["verdict"]) == (True, 2, "pass"), {gate: said["reasons"] for gate, said in report["gates"].items()}
        assert report["vectors"]["reused"] == 0
        reader.catch_up()
        for release in (1, 2):
            promote(database, release)
            reader.catch_up()
    assert reader.failed == []
    assert [release for release, _ in groupby(reader.seen, key=lambda seen: seen[0])] == [1, 2, 1, 2]
    assert {len(found) for _, found in reader.seen} == {5}

    spaces = {release: space_of_release(database, release) for release in (1, 2)}
    assert (spaces[1].passage_prefix, spaces[2].passage_prefix) == ("", "passage: ")
    for release, space in spaces.items():
        found = sorted({chunk for r, chunks in reader.seen for chunk in chunks if r == release})
        with database.transaction("owner") as c:
            rows = c.execute("select id, space_id, valid_from <= %s and valid_to > %s from chunk where id = any(%s) order by id",
                             (release, release, found)).fetchall()
        assert rows == [(chunk, space.space_id, True) for chunk in found], "all of one release, in its space"
        retriever, _ = make_retriever(moved, "reader", release)
        assert retriever.search(FRIDGE, release, k=1)[0].doc_id == "pharmacy/cold-chain.md"
