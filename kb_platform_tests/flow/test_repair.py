"""Files of the object store that were lost or cut off: a sentence with the file and the way out, and `kb repair` on it."""

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from kb_platform.cli import app, session
from kb_platform.cli.refreshing import exit_code, refresh_once, show_report
from kb_platform.index.chunk_deliveries import chunk_deliveries
from kb_platform.index.embed_deliveries import embed_deliveries
from kb_platform.ingest.capture import capture_source
from kb_platform.ingest.raw_files import read_capture
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.retention import Retention
from kb_platform.release.candidate import apply_deliveries
from kb_platform.resources import load_embedder
from kb_platform.storage.captured_files import captured_files, overtaken_and_shown
from kb_platform.storage.collect import move_horizon
from kb_platform.storage.releases import discard
from kb_platform_tests.flow.steps import refresh_by_steps

MakeKb = Callable[..., KnowledgeBase]
PAGES = {"visits.md": "# Visits\n\nUntil eight in the evening.\n", "lift.md": "# Lift\n\nOut of order on Mondays.\n", "fridge.md": "# Fridge\n\nTwo to eight degrees.\n"}


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def lose(path: Path) -> None:
    path.unlink()


def overwrite(path: Path) -> None:
    """Leave the ends as they are: what the file says of itself can be read, its rows cannot."""
    whole = path.read_bytes()
    path.write_bytes(whole[:4] + b"\xff" * 60 + whole[64:])


def replace(path: Path) -> None:
    """Put a sound file of somebody else's in its place."""
    pq.write_table(pa.table({"x": [1, 2]}), path)


def rewrite(path: Path) -> None:
    """Change one document, in a sound file."""
    table = pq.read_table(path)
    rows = table.to_pylist()
    rows[0]["content"] = b"# Lift\n\nNever out of order.\n"
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)


def empty(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.slice(0, 0), path)


def files(name: str, kind: str) -> list[Path]:
    opened = session.store(name).objects
    return [Path(opened.url(file)) for file, _ in opened.files() if file.startswith(f"{kind}/")]


def waiting(make_kb: MakeKb) -> KnowledgeBase:
    """Return a knowledge base with a live release, and a delivery that is captured and not chunked: its raw file is all there is of it."""
    kb = make_kb(PAGES)
    assert refresh_by_steps(kb, "2026-03-01").promoted
    return kb


def deliver_without_chunks(kb: KnowledgeBase) -> Path:
    """Capture a change as a killed refresh would: the raw file is there, nothing else."""
    (kb.folder / "documents" / "lift.md").write_text("# Lift\n\nOut of order on Tuesdays.\n")
    (kb.folder / "documents" / "garden.md").write_text("# Garden\n\nOpen from April.\n")
    (kb.folder / "documents" / "fridge.md").unlink()
    before = set(files(kb.name, "raw_documents"))
    capture_source(session.store(kb.name), kb.sources[0], [dt.date(2026, 3, 2)], "killed")
    (made,) = set(files(kb.name, "raw_documents")) - before
    return made


def found_by(name: str, question: str) -> str:
    return CliRunner().invoke(app, ["search", name, question, "-k", "1", "--json"]).output


@pytest.mark.parametrize("harm", [lose, cut_off, overwrite, replace, rewrite])
def test_a_lost_raw_file_blocks_with_a_way_out_and_is_fetched_again(
    make_kb: MakeKb, harm: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    kb = waiting(make_kb)
    raw = deliver_without_chunks(kb)
    harm(raw)
    report = refresh_once(kb, "2026-03-02", None, quiet=True)
    assert exit_code(report) == 1
    show_report(report)
    assert "no golden queries" not in capsys.readouterr().out  # what was not judged was not for want of them
    said = next(iter(report["errors"].values()))
    assert said.startswith(f"{raw}: the file is ") and "kb repair NAME fetches again" in said

    (kb.folder / "documents" / "garden.md").write_text("# Garden\n\nOpen from May.\n")  # the source has it no more as it was
    repaired = CliRunner().invoke(app, ["repair", kb.name, "--json"])
    (file,) = json.loads(repaired.output)["sources"]["docs"]["repaired"]
    assert (repaired.exit_code, file["file"], file["fetched"], file["lost"], file["superseded"]) == (5, str(raw), 1, ["garden.md"], 0)
    kept = list(read_capture(session.store(kb.name).objects, str(raw.relative_to(session.store(kb.name).objects.root))))
    assert kept[1:] == ["fridge.md"]
    again = refresh_once(kb, "2026-03-02", None, quiet=True)
    assert exit_code(again) == 0, again
    assert "Tuesdays" in found_by(kb.name, "when is the lift out of order")
    assert "May" in found_by(kb.name, "when is the garden open")
    clean = CliRunner().invoke(app, ["repair", kb.name])
    assert (clean.exit_code, "0 written anew" in clean.output) == (0, True)


def deliver_to_a_discarded_release(kb: KnowledgeBase) -> None:
    """Cut one document off, take one away, and let both come to a candidate that is discarded: live shows what the first delivery alone brought."""
    (kb.folder / "documents" / "lift.md").write_text("# Li")
    (kb.folder / "documents" / "fridge.md").unlink()
    opened = session.store(kb.name)
    days = [dt.date(2026, 3, 2)]
    capture_source(opened, kb.sources[0], days, "bad")
    chunk_deliveries(opened, kb, "docs", days)
    embed_deliveries(opened, kb, "docs", days, load_embedder)
    apply_deliveries(opened, kb, "docs", days, "bad")
    discard(opened.database, 2)


def repaired(name: str) -> tuple[int, list[dict]]:
    done = CliRunner().invoke(app, ["repair", name, "--json"])
    return done.exit_code, json.loads(done.output)["sources"]["docs"]["repaired"]


@pytest.mark.parametrize("mended", [False, True])
def test_what_live_shows_of_a_lost_file_is_fetched_again_or_named_though_later_deliveries_came_to_a_discarded_release(
    make_kb: MakeKb, mended: bool
) -> None:
    kb = waiting(make_kb)
    (raw,) = files(kb.name, "raw_documents")
    deliver_to_a_discarded_release(kb)
    lose(raw)
    if mended:
        for name in ("lift.md", "fridge.md"):
            (kb.folder / "documents" / name).write_text(PAGES[name])
    code, (file,) = repaired(kb.name)
    lost = [] if mended else ["fridge.md", "lift.md"]
    assert (code, file["fetched"], file["lost"], file["superseded"]) == (0 if mended else 5, 3 - len(lost), lost, 0)
    kept = read_capture(session.store(kb.name).objects, str(raw.relative_to(session.store(kb.name).objects.root)))
    assert {d.doc_id: d.content.decode() for d in kept if not isinstance(d, str)} == {n: t for n, t in PAGES.items() if n not in lost}
    assert repaired(kb.name) == (0, []), "what is lost is named once"


def test_what_a_later_file_holds_as_it_is_shown_was_delivered_again_later(make_kb: MakeKb) -> None:
    kb = waiting(make_kb)
    (raw,) = files(kb.name, "raw_documents")
    deliver_to_a_discarded_release(kb)
    for name in ("lift.md", "fridge.md"):
        (kb.folder / "documents" / name).write_text(PAGES[name])
    capture_source(session.store(kb.name), kb.sources[0], [dt.date(2026, 3, 3)], "mended")
    (kb.folder / "documents" / "lift.md").write_text("# Lift\n\nOut of order on Fridays.\n")
    lose(raw)
    code, (file,) = repaired(kb.name)
    assert (code, file["fetched"], file["lost"], file["superseded"]) == (0, 2, [], 1)


def test_what_no_kept_release_shows_any_more_is_not_named_as_lost(make_kb: MakeKb) -> None:
    kb = waiting(make_kb)
    (raw,) = files(kb.name, "raw_documents")
    (kb.folder / "documents" / "lift.md").write_text("# Lift\n\nOut of order on Tuesdays.\n")
    assert refresh_by_steps(kb, "2026-03-02").promoted == 2
    opened = session.store(kb.name)
    (first, _second) = captured_files(opened.database, "docs")
    assert set(overtaken_and_shown(opened.database, "docs", first.capture_id)) == {"lift.md"}, "release 1 is kept"
    assert move_horizon(opened.database, Retention(keep_releases=1), dt.datetime(2100, 1, 1, tzinfo=dt.UTC)).release == 2
    lose(raw)
    code, (file,) = repaired(kb.name)
    assert (code, file["fetched"], file["lost"], file["superseded"]) == (0, 2, [], 1)


def test_documents_that_are_not_in_their_file_are_fetched_again(make_kb: MakeKb) -> None:
    kb = waiting(make_kb)
    raw = deliver_without_chunks(kb)
    empty(raw)
    (file,) = json.loads(CliRunner().invoke(app, ["repair", kb.name, "--json"]).output)["sources"]["docs"]["repaired"]
    assert (file["file"], file["found"], file["fetched"]) == (str(raw), "the file is another one: 'fridge.md' is not in it", 2)
    assert refresh_once(kb, "2026-03-02", None, quiet=True)["promoted"]
    assert "Tuesdays" in found_by(kb.name, "when is the lift out of order")


@pytest.mark.parametrize("harm", [lose, cut_off, overwrite, replace])
def test_a_chunk_file_is_made_again(make_kb: MakeKb, harm: Callable[[Path], None]) -> None:
    kb = waiting(make_kb)
    deliver_without_chunks(kb)
    before = set(files(kb.name, "chunks"))
    chunk_deliveries(session.store(kb.name), kb, "docs", [dt.date(2026, 3, 2)])
    (made,) = set(files(kb.name, "chunks")) - before
    harm(made)
    first = refresh_once(kb, "2026-03-02", None, quiet=True)
    if exit_code(first):  # columns were damaged that the first step does not read
        assert "refresh again: it is made again from raw documents" in next(iter(first["errors"].values()))
        assert exit_code(refresh_once(kb, "2026-03-02", None, quiet=True)) == 0
    assert "Tuesdays" in found_by(kb.name, "when is the lift out of order")


@pytest.mark.parametrize("harm", [cut_off, replace])
def test_repair_removes_chunk_files_that_cannot_be_read(make_kb: MakeKb, harm: Callable[[Path], None]) -> None:
    kb = waiting(make_kb)
    (made,) = files(kb.name, "chunks")
    harm(made)
    done = CliRunner().invoke(app, ["repair", kb.name])
    assert done.exit_code == 0
    assert "1 chunk file could not be read and will be made again" in done.output
    assert not made.exists()
