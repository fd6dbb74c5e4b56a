"""A JSONL file as a source."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kb_platform.ingest.sources import Failed, Item, Mark, Unchanged, Upsert, find_deleted, open_source
from kb_platform.knowledge.documents import DocumentFailure
from kb_platform.knowledge.errors import SourceError, TransientError


def write(folder: Path, *lines: object, name: str = "documents.jsonl") -> Path:
    """Write lines; what is no string or bytes becomes JSON."""
    path = folder / name
    path.write_bytes(
        b"\n".join(x if isinstance(x, bytes) else x.encode() if isinstance(x, str) else json.dumps(x).encode() for x in lines)
        + b"\n"
    )
    return path


def scan(path: Path, known: dict[str, Mark] | None = None, **options: Any) -> list[Item]:
    """Scan the whole file."""
    return list(open_source("jsonl", {"path": path, **options}).scan(known or {}))


def upserts(items: list[Item]) -> dict[str, bytes]:
    """Return what was delivered."""
    return {i.document.doc_id: i.document.content for i in items if isinstance(i, Upsert)}


def failures(items: list[Item]) -> list[DocumentFailure]:
    """Return what was reported."""
    return [i.failure for i in items if isinstance(i, Failed)]


def seen(items: list[Item]) -> Iterator[str]:
    """Yield the ids that count as seen."""
    for item in items:
        if isinstance(item, Upsert):
            yield item.document.doc_id
        elif isinstance(item, Unchanged):
            yield item.doc_id
        elif isinstance(item, Failed):
            yield item.failure.doc_id


def doc(doc_id: str, text: str = "text", **more: object) -> dict[str, object]:
    """Return a line's object."""
    return {"doc_id": doc_id, "text": text, **more}


def test_a_line_is_a_document_with_title_and_metadata(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "doc_id": "a",
            "title": "T",
            "text": "Bödy",
            "url": "u",
            "n": 5,
            "f": None,
            "l": ["x", 1],
            "o": {"k": [1]},
            "metadata": {"url": "v"},
        },
    )
    [item] = scan(tmp_path)
    assert isinstance(item, Upsert)
    document = item.document
    assert (document.doc_id, document.title, document.content) == ("a", "T", "Bödy".encode())
    assert (document.media_type, document.source_object) == ("text/plain", "documents.jsonl:1")
    assert document.metadata == {"url": "v", "n": "5", "l": ["x", "1"], "o": '{"k": [1]}'}


def test_the_form_of_beir_is_read(tmp_path: Path) -> None:
    write(tmp_path, {"_id": 7, "title": "", "text": "x", "metadata": {}}, name="corpus.jsonl")
    assert upserts(scan(tmp_path)) == {"7": b"x"}


def test_a_byte_order_mark_blank_lines_and_windows_line_ends_are_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"doc_id": "a", "text": "1"}\r\n\r\n   \n{"doc_id": "b", "text": "2"}')
    items = scan(path)
    assert upserts(items) == {"a": b"1", "b": b"2"}
    assert [i.document.source_object for i in items if isinstance(i, Upsert)] == ["x.jsonl:1", "x.jsonl:4"]


def test_a_line_separator_within_a_string_ends_no_line(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"doc_id": "a", "text": "1\u2028\x852"}\n', encoding="utf-8")
    assert upserts(scan(path)) == {"a": "1\u2028\x852".encode()}


def test_a_second_scan_delivers_only_what_changed_wherever_the_line_stands(tmp_path: Path) -> None:
    write(tmp_path, doc("a"), doc("b", title="old"), doc("c"))
    known = {i.document.doc_id: Mark(i.document.digest) for i in scan(tmp_path) if isinstance(i, Upsert)}
    write(tmp_path, doc("c"), doc("b", title="new"), doc("d"))
    items = scan(tmp_path, known)
    assert list(upserts(items)) == ["b", "d"]
    assert [i.doc_id for i in items if isinstance(i, Unchanged)] == ["c"]
    assert find_deleted(known, set(seen(items))) == {"a"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "the line is no JSON"),
        ("[" * 100_000, "the line is no JSON"),
        (b"\xff\xfe", "the line is not UTF-8"),
        ("[1]", "the line is JSON, but no object"),
        ({"text": "x"}, "no doc_id (or _id) that is a string or a whole number"),
        ({"doc_id": True, "text": "x"}, "no doc_id (or _id) that is a string or a whole number"),
        ({"doc_id": 1.5, "text": "x"}, "no doc_id (or _id) that is a string or a whole number"),
        (doc(" "), "its id is blank"),
        (doc("a\u0000b"), "its id holds control characters"),
        (doc("x" * 2000), "its id is longer than 1024 bytes"),
        ('{"doc_id": "a", "text": "cut o', "the line is no JSON"),
        (doc("long", "x" * 500_000), "the line is longer than max_bytes"),
    ],
)
def test_a_line_without_a_readable_id_is_reported_and_nothing_counts_as_deleted(
    tmp_path: Path, line: object, reason: str
) -> None:
    write(tmp_path, doc("a"), line, doc("b"))
    known = {"gone?": Mark(b"x", "s"), "a": Mark(b"x")}
    items = scan(tmp_path, known, max_bytes=200_000)
    assert list(upserts(items)) == ["a", "b"]
    assert failures(items)[0] == DocumentFailure("documents.jsonl:2", "documents.jsonl:2", reason)
    assert failures(items)[1].reason == "1 lines without a readable doc_id: 1 documents that were not seen stay"
    assert Unchanged("gone?", "s") in items
    assert find_deleted(known, set(seen(items))) == set()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({"doc_id": "a"}, "no field `text`"),
        ({"doc_id": "a", "text": 5}, "`text` is no string"),
        ({"doc_id": "a", "text": ["x"]}, "`text` is no string"),
        ({"doc_id": "a", "text": "x", "title": ["t"]}, "`title` is no string"),
        ('{"doc_id": "a", "text": "\\ud800"}', "it holds half of a surrogate pair, which is no character"),
        ('{"doc_id": "a", "text": "x", "more": "\\udfff"}', "it holds half of a surrogate pair, which is no character"),
    ],
)
def test_a_bad_line_with_an_id_fails_alone_and_is_not_deleted(tmp_path: Path, line: object, reason: str) -> None:
    write(tmp_path, line, doc("b"))
    known = {"a": Mark(b"x"), "gone": Mark(b"x")}
    items = scan(tmp_path, known)
    assert failures(items) == [DocumentFailure("a", "documents.jsonl:1", reason)]
    assert find_deleted(known, set(seen(items))) == {"gone"}


def test_null_text_and_a_number_as_title_are_taken(tmp_path: Path) -> None:
    write(tmp_path, {"doc_id": "a", "text": None, "title": 404})
    [item] = scan(tmp_path)
    assert isinstance(item, Upsert)
    assert (item.document.title, item.document.content) == ("404", b"")


def test_of_an_id_that_comes_again_the_last_line_counts_and_the_others_are_reported(tmp_path: Path) -> None:
    write(tmp_path, doc("a", "1"), doc("b"), doc("a", "2"), doc("a", "3"))
    items = scan(tmp_path)
    assert [(i.document.doc_id, i.document.content) for i in items if isinstance(i, Upsert)] == [("b", b"text"), ("a", b"3")]
    assert failures(items) == [
        DocumentFailure("a", f"documents.jsonl:{n}", "doc_id comes again on line 4, which counts") for n in (1, 3)
    ]


def test_a_file_that_is_not_there_never_reads_as_everything_deleted(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"documents\.jsonl or .*corpus\.jsonl: no such file"):
        scan(tmp_path)
    with pytest.raises(SourceError, match="no such file"):
        scan(tmp_path / "x.jsonl")


def test_a_file_that_lost_all_lines_is_refused_unless_that_is_wanted(tmp_path: Path) -> None:
    write(tmp_path, "")
    with pytest.raises(SourceError, match="holds no documents, and 1 are known"):
        scan(tmp_path, {"a": Mark(b"x")})
    assert scan(tmp_path, {"a": Mark(b"x")}, allow_empty=True) == []
    assert scan(tmp_path) == []


def test_a_file_that_is_written_to_meanwhile_is_refused_for_now(tmp_path: Path) -> None:
    path = write(tmp_path, *[doc(str(n)) for n in range(5)])
    running = open_source("jsonl", {"path": path}).scan({})
    next(running)
    with path.open("a") as file:
        file.write(json.dumps(doc("late")) + "\n")
    with pytest.raises(TransientError, match="was written to while it was read"):
        list(running)


def test_the_real_corpora_are_delivered_whole_and_once(shared_data: Path) -> None:
    for name, count in (("medquad_small", 368), ("va_docs_history_dev", 257), ("disease_ontology_history_dev", 526)):
        items = scan(shared_data / name)
        assert len(upserts(items)) == len(items) == count
        known = {i.document.doc_id: Mark(i.document.digest) for i in items if isinstance(i, Upsert)}
        assert all(isinstance(item, Unchanged) for item in scan(shared_data / name, known))


def test_two_megabytes_on_one_line_are_delivered(tmp_path: Path) -> None:
    write(tmp_path, doc("a", "x" * 2_000_000))
    assert len(upserts(scan(tmp_path))["a"]) == 2_000_000
