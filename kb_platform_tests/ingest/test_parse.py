"""From raw documents to documents, one and many."""

import subprocess
import sys

import pytest

from kb_platform.ingest.limits import ParseLimits
from kb_platform.ingest.parse import WARNINGS, parse_document
from kb_platform.ingest.parse_many import parse_documents
from kb_platform.ingest.sandbox import Sandbox
from kb_platform.ingest.unreadable import DocumentUnreadable
from kb_platform.knowledge.documents import Document, DocumentFailure, RawDocument
from kb_platform.knowledge.errors import PermanentError
from kb_platform_tests.ingest.made_files import Parse, pdf, raw


def test_the_title_that_the_source_gives_wins(parse: Parse) -> None:
    assert parse("a.md", "---\ntitle: Front\n---\n# Heading", title="  Source\n title ").title == "Source title"


def test_the_metadata_of_the_source_wins_and_is_cleaned(parse: Parse) -> None:
    document = parse(
        "a.md", "---\nowner: front\nward: icu\n---\nx", metadata={"owner": "so\u200burce\x00", "tags": ["a\x00", ""], "none": ""}
    )
    assert document.metadata == {"owner": "source", "ward": "icu", "tags": ["a"]}


@pytest.mark.parametrize(
    ("content", "more", "text"),
    [
        ("", {"title": "T", "metadata": {"description": "What it is"}}, "T\n\nWhat it is"),
        ("  \n", {"title": "T"}, "T"),
        ("---\ntitle: T\ndescription: D\n---\n", {}, "T\n\nD"),
        ("---\ndescription: D\n---\n***\n", {}, "D"),
        ("<div></div>", {"title": "T", "metadata": {"description": "D"}}, "T\n\nD"),
    ],
)
def test_a_page_without_a_body_is_its_title_and_description(parse: Parse, content: str, more: dict, text: str) -> None:
    document = parse("a.md", content, **more)
    assert document.text == text
    assert document.metadata[WARNINGS] == ["no body: title and description only"]


@pytest.mark.parametrize("name", ["a.md", "a.txt", "a.html", "a.pdf", "a.docx", "a.csv", "a.xml"])
@pytest.mark.parametrize("content", [b"", b" \n\t"])
def test_an_empty_file_of_any_type_is_refused(parse: Parse, name: str, content: bytes) -> None:
    with pytest.raises(DocumentUnreadable, match="^empty: no text in it$"):
        parse(name, content)


def test_a_document_with_too_many_characters_is_refused() -> None:
    with pytest.raises(DocumentUnreadable, match="^11 characters: more than 10$"):
        parse_document(raw("a.txt", "x" * 11), ParseLimits(characters=10))


def test_documents_keep_their_order_and_failures_their_place() -> None:
    names = ["a.md", "b.pdf", "c.txt", "d.docx", "e.html"]
    contents: list[bytes] = [b"A", b"broken", b"\x00\x01\x02\x03" * 50, b"PK", b"<p>E</p>"]
    parsed = list(parse_documents(raw(n, c) for n, c in zip(names, contents, strict=True)))
    assert [type(p) for p in parsed] == [Document, DocumentFailure, DocumentFailure, DocumentFailure, Document]
    assert [p.doc_id for p in parsed] == names


def test_documents_are_taken_one_at_a_time() -> None:
    taken: list[int] = []

    def deliver():
        for n in range(5):
            taken.append(n)
            yield raw(f"{n}.md", f"text {n}")

    parsed = parse_documents(deliver())
    assert next(parsed).doc_id == "0.md"
    assert taken == [0]
    parsed.close()  # type: ignore[attr-defined]
    assert taken == [0]


def test_a_document_that_kills_its_reader_does_not_harm_the_next() -> None:
    hostile = pdf(stream=b"BT /F1 12 Tf " + b"(a) Tj 1 0 Td " * 4_000_000 + b"ET")
    first, killed, last = parse_documents(
        [raw("a.pdf", pdf("A")), raw("b.pdf", hostile), raw("c.pdf", pdf("C"))], ParseLimits(seconds=1)
    )
    assert isinstance(first, Document)
    assert killed == DocumentFailure("b.pdf", "b.pdf", "took longer than 1 s to read")
    assert isinstance(last, Document)
    assert last.text == "C"


def test_a_reader_that_cannot_start_is_no_fault_of_the_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(PermanentError, match="ended with 1 before its first document"):
        list(parse_documents([raw("a.md", "text")]))


def test_too_little_memory_for_any_document_is_a_report_for_each() -> None:
    failures = list(parse_documents([raw("a.md", "a"), raw("b.md", "b")], ParseLimits(memory_bytes=8 << 20)))
    assert [f.reason for f in failures if isinstance(f, DocumentFailure)] == ["needs more than 8 MiB of memory to read"] * 2


def test_a_reader_that_is_gone_between_two_documents_is_started_again() -> None:
    with Sandbox() as sandbox:
        parse_document(raw("a.md", "a"), sandbox=sandbox)
        assert sandbox._process is not None
        sandbox._process.kill()
        sandbox._process.wait()
        assert parse_document(raw("b.md", "b"), sandbox=sandbox).text == "b"


def test_reasons_hold_nothing_of_the_document() -> None:
    names = ["a.pdf", "a.docx", "a.xml", "a.txt", "a.csv"]
    for failure in parse_documents(raw(n, b"%PDF-1.4 PatientName \x00\x01\x02" * 9 + b"\n<PatientName") for n in names):
        assert isinstance(failure, DocumentFailure)
        assert "Patient" not in failure.reason
        assert "\n" not in failure.reason


def test_parsing_the_same_bytes_twice_gives_the_same_document(parse: Parse) -> None:
    assert parse("a.html", "<h1>T</h1><p>x</p>") == parse("a.html", "<h1>T</h1><p>x</p>")


def test_an_unknown_media_type_is_refused() -> None:
    with pytest.raises(DocumentUnreadable, match="^unknown type: no reader for image/png$"):
        parse_document(RawDocument("a", b"x", "image/png", "a"))


def test_importing_ingest_loads_no_parsing_library() -> None:
    script = (
        "import sys, kb_platform.ingest.parse_many, kb_platform.ingest.capture\n"
        "from kb_platform.ingest.sources import files, jsonl\n"
        "heavy = ('trafilatura', 'docx', 'pypdfium2', 'lxml', 'charset_normalizer', 'yaml', 'dagster')\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip() == "[]"
