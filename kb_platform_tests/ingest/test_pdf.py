"""PDF files."""

import pytest

from kb_platform.ingest.limits import ParseLimits
from kb_platform.ingest.parse import parse_document
from kb_platform.ingest.unreadable import DocumentUnreadable
from kb_platform_tests.ingest.made_files import Parse, pdf, raw


def test_lines_and_the_declared_title_are_read(parse: Parse) -> None:
    document = parse("a.pdf", pdf("Take one tablet", "twice daily.", title="Dosing guide"))
    assert (document.title, document.text) == ("Dosing guide", "Take one tablet\ntwice daily.")


@pytest.mark.parametrize("title", ["", "Microsoft Word - leaflet_v3", "leaflet.docx", "Untitled-1"])
def test_a_file_name_is_no_title(parse: Parse, title: str) -> None:
    assert parse("dosing-guide.pdf", pdf("Text", title=title)).title == "Dosing guide"


def test_a_page_without_a_text_layer_is_named_as_such(parse: Parse) -> None:
    with pytest.raises(DocumentUnreadable, match=r"^no text on 1 page \(scanned\?\)$"):
        parse("a.pdf", pdf(stream=b"0 0 m 100 100 l S"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"hello", "^holds something else, not a PDF$"),
        (b"PK\x03\x04", "^holds a ZIP archive, not a PDF$"),
        (b"%PDF-1.4\n", "^truncated PDF$"),
    ],
)
def test_what_is_no_pdf_is_refused_with_a_reason(parse: Parse, content: bytes, reason: str) -> None:
    with pytest.raises(DocumentUnreadable, match=reason):
        parse("a.pdf", content)


def test_a_damaged_pdf_is_told_from_a_truncated_one(parse: Parse) -> None:
    with pytest.raises(DocumentUnreadable, match="^damaged PDF$"):
        parse("a.pdf", b"%PDF-1.4\n garbage \n%%EOF\n")


def test_a_pdf_that_takes_too_long_is_killed_and_reported() -> None:
    endless = b"BT /F1 12 Tf " + b"(a) Tj 1 0 Td " * 3_000_000 + b"ET"
    with pytest.raises(DocumentUnreadable, match=r"^took longer than 0\.2 s to read$"):
        parse_document(raw("a.pdf", pdf(stream=endless)), ParseLimits(seconds=0.2))


def test_a_pdf_that_needs_too_much_memory_is_killed_and_reported() -> None:
    with pytest.raises(DocumentUnreadable, match=r"memory|crashed"):
        parse_document(raw("a.pdf", pdf(stream=b" " * 200_000_000 + b"BT (a) Tj ET")), ParseLimits(memory_bytes=250 << 20))
