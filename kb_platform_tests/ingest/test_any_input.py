"""What must hold for every input: bytes that nobody planned for, and histories of edits."""

import json
import shutil
import tempfile
import unicodedata
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from kb_platform.ingest.clean import clean_text
from kb_platform.ingest.formats import EXTRA_MEDIA_TYPES, MEDIA_TYPES
from kb_platform.ingest.parse import parse_document
from kb_platform.ingest.sandbox import Sandbox
from kb_platform.ingest.sources import Failed, Mark, Skipped, Unchanged, Upsert, find_deleted, open_source
from kb_platform.ingest.unreadable import DocumentUnreadable
from kb_platform_tests.ingest.made_files import pdf, raw, slides, word, workbook

SUFFIXES = sorted(MEDIA_TYPES | EXTRA_MEDIA_TYPES)
PIECES = [
    b"<p>",
    b"</div>",
    b"<!--",
    b"-->",
    b"<script>",
    b"<table><tr><td>",
    b"style='display:none'",
    b"{% x %}",
    b"```",
    b"---\n",
    b"# H\n",
    b"| a | b |\n",
    b"\x00",
    b"\xff",
    b"\xc3\xa9",
    b"\xe2\x80\xae",
    b"&amp;",
    b"&#xD800;",
    b"]]>",
    b"<?xml?>",
    b"<article>",
    b'"',
    b"a ",
]
FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def assert_readable_or_refused(sandbox: Sandbox, name: str, content: bytes) -> None:
    """Parse; what comes back must be storable, and a refusal one short line."""
    try:
        document = parse_document(raw(name, content), sandbox=sandbox)
    except DocumentUnreadable as error:
        assert "\n" not in str(error)
        assert 0 < len(str(error)) < 120
        return
    for text in (document.text, document.title, json.dumps(document.metadata, ensure_ascii=False)):
        text.encode()
        assert "\x00" not in text
        assert unicodedata.is_normalized("NFC", text)
    assert document.text == clean_text(document.text) != ""
    assert document.title == " ".join(document.title.split()) != ""


@FEW
@given(st.sampled_from(SUFFIXES), st.binary(max_size=200) | st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join))
def test_any_bytes_under_any_name_are_read_or_refused(sandbox: Sandbox, suffix: str, content: bytes) -> None:
    assert_readable_or_refused(sandbox, f"a{suffix}", content)


@FEW
@given(st.data())
def test_any_damage_to_a_good_file_is_read_or_refused(sandbox: Sandbox, data: st.DataObject) -> None:
    name, whole = data.draw(
        st.sampled_from([("a.pdf", pdf("Take one tablet")), ("a.docx", word(lambda d: d.add_paragraph("Take one")))])
    )
    at = data.draw(st.integers(0, len(whole) - 1))
    damage = data.draw(st.binary(max_size=8))
    cut = data.draw(st.integers(0, 40))
    assert_readable_or_refused(sandbox, name, whole[:at] + damage + whole[at + cut :])


EDIT = st.tuples(st.sampled_from(["a.md", "b.md", "x/a.md", "x/y/b.md"]), st.sampled_from(["", "one", "two", "öne"]) | st.none())


@FEW
@given(st.lists(st.lists(EDIT, max_size=4), min_size=1, max_size=5))
def test_after_any_history_of_edits_the_platform_knows_what_the_folder_holds(history: list[list[tuple[str, str | None]]]) -> None:
    root = Path(tempfile.mkdtemp(prefix="kb-edits-"))
    known: dict[str, Mark] = {}
    held: dict[str, bytes] = {}
    try:
        for edits in history:
            for name, content in edits:
                edit(root / name, content)
            seen = set[str]()
            for item in open_source("files", {"path": root, "allow_empty": True}).scan(known):
                assert not isinstance(item, Failed | Skipped)
                doc_id = item.document.doc_id if isinstance(item, Upsert) else item.doc_id
                assert doc_id not in seen
                seen.add(doc_id)
                if isinstance(item, Upsert):
                    known[doc_id], held[doc_id] = Mark(item.document.digest, item.stamp), item.document.content
            for doc_id in find_deleted(known, seen):
                del known[doc_id], held[doc_id]
            assert held == {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*.md")}
    finally:
        shutil.rmtree(root)


def edit(path: Path, content: str | None) -> None:
    """Write a file, or remove it."""
    if content is None:
        path.unlink(missing_ok=True)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


@FEW
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["1", "2"])) | st.just(None), max_size=8),
    st.sets(st.sampled_from("abcd")),
)
def test_any_file_of_lines_delivers_each_id_once_and_deletes_only_what_is_certain(lines: list, before: set[str]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="kb-lines-"))
    try:
        path = folder / "documents.jsonl"
        path.write_text("".join("broken\n" if x is None else json.dumps({"doc_id": x[0], "text": x[1]}) + "\n" for x in lines))
        known = {doc_id: Mark(b"earlier") for doc_id in before}
        items = list(open_source("jsonl", {"path": path, "allow_empty": True}).scan(known))
    finally:
        shutil.rmtree(folder)
    last = dict(line for line in lines if line)
    delivered = [(i.document.doc_id, i.document.content.decode()) for i in items if isinstance(i, Upsert)]
    assert sorted(delivered) == sorted(last.items())
    seen = {doc_id for doc_id, _ in delivered} | {i.doc_id for i in items if isinstance(i, Unchanged)}
    assert find_deleted(known, seen) == (set() if None in lines else before - set(last))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_reads_something(sandbox: Sandbox, suffix: str) -> None:
    contents = {
        ".pdf": pdf("Take one tablet"),
        ".docx": word(lambda document: document.add_paragraph("Take one tablet")),
        ".eml": b"From: a@example.org\nSubject: Dose\n\nTake one tablet\n",
        ".xlsx": workbook({"Doses": [["Take one tablet"]]}),
        ".pptx": slides([["Take one tablet"]]),
        ".xml": b"<article><body><p>Take one tablet</p></body></article>",
    }
    document = parse_document(raw(f"a{suffix.upper()}", contents.get(suffix, b"Take one tablet")), sandbox=sandbox)
    assert "Take one tablet" in document.text
