"""`kb golden suggest`: drafts lie where no gate reads them, nothing is overwritten or asked twice, and wrong usage is said."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kb_platform.cli import app, session
from kb_platform.cli.goldens import goldens_of
from kb_platform.knowledge.errors import ConfigError, KbError
from kb_platform.settings import Settings

DEFS = """type: kb_platform.components.KnowledgeBase
attributes:
  name: manuals
  start_date: "2026-01-01"
  sources:
    - {name: wards, kind: files, path: documents}
    - {name: more, kind: files, path: more}
"""
PAGE = """<html><head><title>Doors</title></head><body><main><h1>Doors</h1><h2>At night</h2>
<p>The night porter opens the side door for whoever shows a badge.</p></main></body></html>"""
KEYS = "# Keys\n\n## Cupboards\n\nThe porter keeps the keys of every ward in the grey cabinet.\n\n## Losses\n\nWhoever loses a key rings security on extension 2200.\n"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "defs" / "manuals"
    (folder / "documents").mkdir(parents=True)
    (folder / "more").mkdir()
    (folder / "golden").mkdir()
    (folder / "defs.yaml").write_text(DEFS)
    (folder / "documents" / "keys.md").write_text(KEYS)
    (folder / "documents" / "broken.pdf").write_bytes(b"%PDF-1.4 nothing of a PDF follows")
    (folder / "more" / "doors.html").write_text(PAGE)
    with session.use(Settings(home=tmp_path / "home", defs=tmp_path / "defs")):
        yield folder
        assert not (tmp_path / "home").exists(), "nothing is started"


def suggest(*options: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["golden", "suggest", "manuals", "--json", *options], catch_exceptions=False)
    assert done.exit_code == 0
    return json.loads(done.stdout)


def test_drafts_become_goldens_when_a_person_moves_them_and_not_before(folder: Path) -> None:
    first = suggest("--count", "2")
    assert (first["documents"], first["failed"], first["left"], first["release"]) == (2, 1, 1, None)
    assert {d["expected"][0]["document"] for d in first["drafts"]} == {"keys.md", "doors.html"}
    path = Path(first["file"])
    assert path == folder / "drafts" / "suggested-1.yaml"
    kb = session.knowledge_base("manuals")
    assert goldens_of(kb, required=False) == ()

    second = suggest()
    assert Path(second["file"]).name == "suggested-2.yaml"
    assert len(second["drafts"]) == 1
    assert suggest()["file"] is None
    assert len(list((folder / "drafts").iterdir())) == 2

    path.rename(folder / "golden" / path.name)
    assert [g.id for g in goldens_of(kb)] == sorted(d["id"] for d in first["drafts"])
    assert CliRunner().invoke(app, ["validate", "manuals", "--json"]).exit_code == 0
    Path(second["file"]).unlink()
    again = suggest()
    assert (Path(again["file"]).name, again["drafts"]) == ("suggested-2.yaml", second["drafts"])


def test_one_source_alone_and_a_file_of_ones_own(folder: Path, tmp_path: Path) -> None:
    found = suggest("--source", "more", "--out", str(tmp_path / "mine.yaml"))
    assert found["drafts"] == [{"id": found["drafts"][0]["id"], "question": "Doors: At night",
                                "expected": [{"document": "doors.html", "quote": "The night porter opens the side door for whoever shows a badge."}]}]
    assert found["file"] == str(tmp_path / "mine.yaml")
    with pytest.raises(ConfigError, match="is there already"):
        suggest("--out", str(tmp_path / "mine.yaml"))


@pytest.mark.parametrize(("options", "said"), [
    (("--source", "none"), "no source 'none'; expected one of wards, more"),
    (("--out", "golden.txt"), "a name that ends in .yaml"), (("--out", "{golden}/x.yaml"), "outside the folder golden/"),
])
def test_wrong_usage_writes_nothing(folder: Path, options: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        suggest(*(option.replace("{golden}", str(folder / "golden")) for option in options))
    assert not (folder / "drafts").exists()
    assert list((folder / "golden").iterdir()) == []


def test_a_source_that_cannot_be_read_is_an_error_and_leaves_no_file(folder: Path) -> None:
    (folder / "more" / "doors.html").unlink()
    (folder / "more").rmdir()
    with pytest.raises(KbError, match="more"):
        suggest()
    assert not (folder / "drafts").exists()
