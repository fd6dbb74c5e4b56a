"""A folder as a source."""

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kb_platform.ingest.sources import Failed, Item, Mark, Skipped, Unchanged, Upsert, find_deleted, open_source, source_kinds
from kb_platform.ingest.sources.files import SETTLED_NS
from kb_platform.knowledge.errors import SourceError

LONG_AGO = 1_500_000_000_000_000_000


@pytest.fixture
def root() -> Iterator[Path]:
    """Yield a folder that other users may enter too."""
    folder = Path(tempfile.mkdtemp(prefix="kb-files-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def put(root: Path, name: str, content: str | bytes = "text") -> Path:
    """Write a file below the folder."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def scan(root: Path, known: dict[str, Mark] | None = None, **options: Any) -> list[Item]:
    """Scan the whole folder."""
    return list(open_source("files", {"path": root, **options}).scan(known or {}))


def upserts(items: list[Item]) -> dict[str, bytes]:
    """Return what was delivered."""
    return {i.document.doc_id: i.document.content for i in items if isinstance(i, Upsert)}


def failures(items: list[Item]) -> dict[str, str]:
    """Return what was reported."""
    return {i.failure.doc_id: i.failure.reason for i in items if isinstance(i, Failed)}


def skipped(items: list[Item]) -> dict[str, int]:
    """Return what was counted."""
    return {i.reason: i.count for i in items if isinstance(i, Skipped)}


def marks(items: list[Item], known: dict[str, Mark] | None = None) -> dict[str, Mark]:
    """Return what the platform knows after a scan."""
    after = dict(known or {})
    for item in items:
        if isinstance(item, Upsert):
            after[item.document.doc_id] = Mark(item.document.digest, item.stamp)
        elif isinstance(item, Unchanged):
            after[item.doc_id] = Mark(after[item.doc_id].digest, item.stamp)
    return after


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Give up the superuser's rights for a while, who may read everything. What reads sources is loaded before: the checkout may be closed to others."""
    source_kinds()
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_files_of_known_formats_are_delivered_in_order_with_their_paths_as_ids(root: Path) -> None:
    for name in ("b/z.md", "a.txt", "b/a.HTML", "c.markdown", "d.htm", "e.pdf", "f.docx"):
        put(root, name, name)
    items = scan(root)
    assert list(upserts(items)) == ["a.txt", "c.markdown", "d.htm", "e.pdf", "f.docx", "b/a.HTML", "b/z.md"]
    document = next(i.document for i in items if isinstance(i, Upsert) and i.document.doc_id == "b/a.HTML")
    assert (document.media_type, document.source_object, document.content) == ("text/html", "b/a.HTML", b"b/a.HTML")


def test_what_is_no_document_is_counted_with_an_example(root: Path) -> None:
    for name in ("a.md", "b.csv", "c.csv", "d", ".hidden.md", ".git/x.md", "e.exe"):
        put(root, name)
    items = scan(root)
    assert list(upserts(items)) == ["a.md"]
    assert skipped(items) == {
        "hidden": 2,
        "no reader for .csv": 2,
        "no reader for .exe": 1,
        "no reader for names without a suffix": 1,
    }
    assert next(i for i in items if isinstance(i, Skipped) and i.count == 2 and "csv" in i.reason).example == "b.csv"


def test_extra_formats_are_read_on_request(root: Path) -> None:
    put(root, "a.csv")
    put(root, "b.xml")
    assert list(upserts(scan(root, extra_formats=["csv"]))) == ["a.csv"]


def test_include_and_exclude_choose_among_the_ids(root: Path) -> None:
    for name in ("a.md", "b.txt", "g/a.md", "g/drafts/a.md"):
        put(root, name)
    items = scan(root, include=["*.md"], exclude=["g/drafts/"])
    assert list(upserts(items)) == ["a.md", "g/a.md"]
    assert skipped(items) == {"left out by include or exclude": 2}


def test_a_second_scan_delivers_only_what_changed(root: Path) -> None:
    put(root, "a.md", "one")
    put(root, "b.md", "two")
    known = marks(scan(root))
    put(root, "b.md", "TWO")
    put(root, "c.md", "new")
    items = scan(root, known)
    assert upserts(items) == {"b.md": b"TWO", "c.md": b"new"}
    assert [i.doc_id for i in items if isinstance(i, Unchanged)] == ["a.md"]


def test_a_fresh_file_gets_no_stamp_so_that_an_edit_within_a_clock_tick_is_found(root: Path) -> None:
    path = put(root, "a.md", "one")
    known = marks(scan(root))
    assert known["a.md"].stamp == ""
    before = path.stat()
    path.write_text("two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert upserts(scan(root, known)) == {"a.md": b"two"}


def test_a_file_whose_times_are_set_back_is_still_fresh(root: Path) -> None:
    path = put(root, "a.md", "one")
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    assert marks(scan(root))["a.md"].stamp == ""


def test_a_settled_file_is_not_read_again_until_its_stamp_differs(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(root, "a.md", "one")
    later = time.time_ns() + SETTLED_NS + 1_000_000_000
    monkeypatch.setattr(time, "time_ns", lambda: later)  # three seconds have passed
    known = marks(scan(root))
    assert known["a.md"].stamp.startswith("3:")
    # Only a mark that trusts the stamp can take other bytes for unchanged.
    other = {"a.md": Mark(b"digest of other bytes", known["a.md"].stamp)}
    assert scan(root, other) == [Unchanged("a.md", known["a.md"].stamp)]
    before = path.stat()
    monkeypatch.undo()
    path.write_text("two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert upserts(scan(root, known)) == {"a.md": b"two"}


def test_a_touched_file_is_read_and_found_unchanged(root: Path) -> None:
    path = put(root, "a.md", "one")
    known = {"a.md": Mark(marks(scan(root))["a.md"].digest, "3:1:1")}
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    assert scan(root, known) == [Unchanged("a.md", "")]


@pytest.mark.parametrize(
    "name",
    [
        " leading space.md",
        "-hyphen.md",
        "--help.md",
        "caf\u00e9.md",
        "cafe\u0301.md",
        "x" * 251 + ".md",
        "a'b\"c;$(d).md",
        "日本.md",
    ],
)
def test_odd_names_are_delivered_as_they_are(root: Path, name: str) -> None:
    put(root, name)
    assert list(upserts(scan(root))) == [name]


def test_names_that_differ_in_composition_only_are_two_documents(root: Path) -> None:
    put(root, "caf\u00e9.md", "composed")
    put(root, "cafe\u0301.md", "decomposed")
    assert upserts(scan(root)) == {"caf\u00e9.md": b"composed", "cafe\u0301.md": b"decomposed"}


@pytest.mark.parametrize(
    ("name", "shown", "reason"),
    [
        (b"caf\xe9.md", "caf\\xe9.md", "its name is not UTF-8"),
        (b"two\nlines.md", "two\\x0alines.md", "its id holds control characters"),
        (b"\xff/a.md", "\\xff/a.md", "its name is not UTF-8"),
    ],
)
def test_a_name_that_cannot_be_an_id_is_reported(root: Path, name: bytes, shown: str, reason: str) -> None:
    put(root, "good.md")
    path = os.fsencode(root) + b"/" + name
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(b"text")
    items = scan(root)
    assert list(upserts(items)) == ["good.md"]
    assert failures(items) == {shown: reason}


def test_an_id_that_is_too_long_for_a_key_is_reported(root: Path) -> None:
    put(root, "/".join(["x" * 250] * 5) + "/a.md")
    assert list(failures(scan(root)).values()) == ["its id is longer than 1024 bytes"]


def test_a_file_that_is_too_large_is_reported_and_not_deleted(root: Path) -> None:
    put(root, "a.md", "x" * 11)
    items = scan(root, {"a.md": Mark(b"old", "")}, max_bytes=10)
    assert failures(items) == {"a.md": "11 bytes: more than max_bytes (10)"}
    assert list(upserts(scan(root, max_bytes=11))) == ["a.md"]


def test_links_stay_within_the_folder(root: Path, tmp_path: Path) -> None:
    secret = put(tmp_path, "secret.md", "SECRET")
    put(root, "..data/a.md", "mounted")
    (root / "a.md").symlink_to("..data/a.md")
    (root / "out.md").symlink_to(secret)
    (root / "gone.md").symlink_to("nowhere.md")
    (root / "loop.md").symlink_to("loop.md")
    (root / "self").symlink_to(".")
    (root / "elsewhere").symlink_to(tmp_path)
    items = scan(root)
    assert upserts(items) == {"a.md": b"mounted"}
    assert skipped(items) == {"a link that leads nowhere": 2, "a link to a folder": 2, "a link out of the folder": 1, "hidden": 1}


def test_pipes_sockets_and_folders_named_like_documents_are_left_alone(root: Path) -> None:
    put(root, "folder.md/a.txt")
    os.mkfifo(root / "pipe.md")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "socket.md"))
        items = scan(root)
    assert list(upserts(items)) == ["folder.md/a.txt"]
    assert skipped(items) == {"no file (a pipe, socket or device)": 2}


def test_a_file_that_cannot_be_read_is_reported_and_not_deleted(root: Path) -> None:
    put(root, "a.md").chmod(0)
    put(root, "b.md")
    with ordinary_user():
        items = scan(root, {"a.md": Mark(b"old", "")})
    assert failures(items) == {"a.md": "cannot be read (Permission denied)"}
    assert list(upserts(items)) == ["b.md"]


def test_a_folder_that_cannot_be_listed_is_reported_and_its_documents_stay(root: Path) -> None:
    put(root, "a.md")
    put(root, "closed/b.md").parent.chmod(0)
    known = {"closed/b.md": Mark(b"old", "stamp"), "closed2/c.md": Mark(b"old", "")}
    with ordinary_user():
        items = scan(root, known)
    assert failures(items) == {"closed": "folder cannot be listed (Permission denied): its documents stay as they were"}
    assert [i for i in items if isinstance(i, Unchanged)] == [Unchanged("closed/b.md", "stamp")]
    seen = {i.doc_id for i in items if isinstance(i, Unchanged)} | set(upserts(items))
    assert find_deleted(known, seen) == {"closed2/c.md"}


def test_a_folder_that_is_not_there_never_reads_as_everything_deleted(root: Path) -> None:
    for path in (root / "missing", put(root, "file.md")):
        with pytest.raises(SourceError, match=r"no such folder; expected a folder of documents; .*nothing was deleted"):
            scan(path)


def test_a_root_that_cannot_be_listed_never_reads_as_everything_deleted(root: Path) -> None:
    closed = root / "closed"
    closed.mkdir(mode=0)
    with ordinary_user(), pytest.raises(SourceError, match=r"cannot be listed \(Permission denied\)"):
        scan(closed, {"a.md": Mark(b"x")})


def test_a_folder_that_lost_all_documents_is_refused_unless_that_is_wanted(root: Path) -> None:
    put(root, "readme")
    known = {"a.md": Mark(b"x")}
    with pytest.raises(SourceError, match=r"holds no documents, and 1 are known.*allow_empty: true"):
        scan(root, known)
    assert upserts(scan(root, known, allow_empty=True)) == {}
    assert upserts(scan(root)) == {}


def test_a_folder_that_is_replaced_during_the_scan_is_refused(root: Path) -> None:
    folder = root / "docs"
    put(folder, "a.md")
    running = open_source("files", {"path": folder}).scan({})
    assert isinstance(next(running), Upsert)
    folder.rename(root / "old")
    folder.mkdir()
    with pytest.raises(SourceError, match="was replaced or unmounted while it was read"):
        list(running)


def test_what_vanishes_during_the_scan_is_gone_and_no_failure(root: Path) -> None:
    for name in ("a.md", "b.md", "c/d.md", "e/f.md"):
        put(root, name)
    running = open_source("files", {"path": root}).scan({})
    first = next(running)
    (root / "b.md").unlink()
    shutil.rmtree(root / "c")
    assert list(upserts([first, *running])) == ["a.md", "e/f.md"]


def test_the_scan_streams(root: Path) -> None:
    put(root, "a.md")
    put(root, "b.md", "old")
    running = open_source("files", {"path": root}).scan({})
    next(running)
    put(root, "b.md", "written after the scan began")
    assert upserts(list(running)) == {"b.md": b"written after the scan began"}
