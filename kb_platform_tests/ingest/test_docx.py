"""Word documents."""

import io
import re
import zipfile

import pytest

from kb_platform.ingest.limits import ParseLimits
from kb_platform.ingest.parse import parse_document
from kb_platform.ingest.unreadable import DocumentUnreadable
from kb_platform_tests.ingest.made_files import Parse, raw, with_body, with_part, word


def paragraphs(*texts: str):
    """Return a filler that adds paragraphs."""
    return lambda document: [document.add_paragraph(text) for text in texts]


def test_headings_lists_and_tables_come_in_the_order_of_the_body(parse: Parse) -> None:
    def fill(document) -> None:
        document.add_heading("Asthma", 0)
        document.add_heading("Dosing", 2)
        document.add_paragraph("Before")
        table = document.add_table(2, 3)
        for cell, text in zip([c for row in table.rows for c in row.cells], ["Drug", "A|B", "B", "x", "5", "5"], strict=True):
            cell.text = text
        document.add_paragraph("one", style="List Bullet")
        document.add_paragraph("two", style="List Number")
        document.add_paragraph("After")

    document = parse("a.docx", word(fill))
    assert document.title == "Asthma"
    assert document.text == (
        "# Asthma\n\n## Dosing\n\nBefore\n\n| Drug | A\\|B | B |\n|---|---|---|\n| x | 5 | 5 |\n\n- one\n1. two\n\nAfter"
    )


def test_the_core_title_wins_over_the_first_heading(parse: Parse) -> None:
    def fill(document) -> None:
        document.core_properties.title = "Core"
        document.add_heading("Heading", 1)

    assert parse("a.docx", word(fill)).title == "Core"


def test_a_document_without_properties_is_called_as_its_first_heading(parse: Parse) -> None:
    source = zipfile.ZipFile(io.BytesIO(word(lambda document: document.add_heading("Shown", 1))))
    bare = io.BytesIO()
    with zipfile.ZipFile(bare, "w") as target:
        for name in source.namelist():
            if name != "docProps/core.xml":
                part = source.read(name)
                target.writestr(name, re.sub(rb"<Relationship [^>]*core-properties[^>]*>", b"", part) if name == "_rels/.rels" else part)
    assert parse("a.docx", bare.getvalue()).title == "Shown"


@pytest.mark.parametrize("title", ["Word Document", "  "])
def test_a_title_that_says_nothing_is_none(parse: Parse, title: str) -> None:
    def fill(document) -> None:
        document.core_properties.title = title
        document.add_heading("Shown", 1)

    assert parse("a.docx", word(fill)).title == "Shown"


def test_a_style_based_on_a_heading_is_a_heading(parse: Parse) -> None:
    def fill(document) -> None:
        style = document.styles.add_style("Chapter", 1)
        style.base_style = document.styles["Heading 2"]
        document.add_paragraph("Chapter one", style=style)

    assert parse("a.docx", word(fill)).text == "## Chapter one"


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("<w:r><w:t>X</w:t></w:r>", "<w:ins w:id='1' w:author='a'><w:r><w:t>inserted</w:t></w:r></w:ins>", "A\n\ninserted"),
        (
            "<w:r><w:t>X</w:t></w:r>",
            "<w:r><w:t>kept</w:t></w:r><w:del w:id='1' w:author='a'><w:r><w:delText>gone</w:delText></w:r></w:del>",
            "A\n\nkept",
        ),
        (
            "<w:r><w:t>X</w:t></w:r>",
            "<w:moveFrom w:id='1' w:author='a'><w:r><w:t>gone</w:t></w:r></w:moveFrom><w:r><w:t>kept</w:t></w:r>",
            "A\n\nkept",
        ),
        (
            "<w:r><w:t>X</w:t></w:r>",
            "<w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r><w:r><w:t>shown</w:t></w:r>",
            "A\n\nshown",
        ),
        ("<w:r><w:t>X</w:t></w:r>", "<w:r><w:rPr><w:vanish w:val='0'/></w:rPr><w:t>shown</w:t></w:r>", "A\n\nshown"),
        ("<w:r><w:t>X</w:t></w:r>", "<w:sdt><w:sdtContent><w:r><w:t>control</w:t></w:r></w:sdtContent></w:sdt>", "A\n\ncontrol"),
        ("<w:r><w:t>X</w:t></w:r>", "<w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t></w:r>", "A\n\na\tb\nc"),
        (
            "<w:r><w:t>X</w:t></w:r>",
            "<w:r><w:t>with</w:t><w:pict><w:txbxContent><w:p><w:r><w:t>box</w:t></w:r></w:p></w:txbxContent></w:pict></w:r>",
            "A\n\nwith\n\nbox",
        ),
    ],
)
def test_what_a_reader_of_the_page_sees_is_read_and_nothing_else(parse: Parse, old: str, new: str, text: str) -> None:
    content = with_body(word(paragraphs("A", "X")), lambda xml: xml.replace(old, new))
    assert parse("a.docx", content).text == text


def test_a_control_around_paragraphs_is_read(parse: Parse) -> None:
    content = with_body(
        word(paragraphs("A")),
        lambda xml: xml.replace("<w:p>", "<w:sdt><w:sdtContent><w:p>").replace("</w:p>", "</w:p></w:sdtContent></w:sdt>"),
    )
    assert parse("a.docx", content).text == "A"


def test_comments_do_not_leak(parse: Parse) -> None:
    def fill(document) -> None:
        run = document.add_paragraph("Text").runs[0]
        document.add_comment(run, text="SECRET remark", author="a", initials="a")

    assert parse("a.docx", word(fill)).text == "Text"


def bomb(parts: dict[str, bytes]) -> bytes:
    """Return a ZIP archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return out.getvalue()


def lying(content: bytes) -> bytes:
    """Return the archive with a directory that says 100 bytes for its first entry."""
    at = content.index(b"PK\x01\x02") + 24
    return content[:at] + (100).to_bytes(4, "little") + content[at + 4 :]


@pytest.mark.parametrize(
    ("content", "limits", "reason"),
    [
        (bomb({"word/document.xml": b" " * 5_000_000}), ParseLimits(), "^a part expands more than 200 times: refused$"),
        (
            bomb({"word/document.xml": bytes(range(256)) * 8000}),
            ParseLimits(xml_bytes=1 << 20, ratio=10**6),
            "^its XML expands past 1 MiB: refused$",
        ),
        (
            bomb({"word/document.xml": b"<x/>", "a.bin": bytes(3 << 20)}),
            ParseLimits(archive_bytes=1 << 20),
            "^expands past 1 MiB: refused$",
        ),
        (
            lying(bomb({"word/document.xml": bytes(range(256)) * 8000})),
            ParseLimits(),
            "^truncated or damaged: not a complete ZIP archive$",
        ),
        (bomb({"other.xml": b"<x/>"}), ParseLimits(), r"^part word/document\.xml is missing: not a Word document$"),
        (b"\xd0\xcf\x11\xe0" + bytes(100), ParseLimits(), r"^encrypted, or in the old \.doc format$"),
        (b"text", ParseLimits(), "^holds something else, not a Word document$"),
        (b"PK\x03\x04text", ParseLimits(), "^truncated or damaged"),
    ],
)
def test_archives_are_refused_before_they_are_opened(content: bytes, limits: ParseLimits, reason: str) -> None:
    with pytest.raises(DocumentUnreadable, match=reason):
        parse_document(raw("a.docx", content), limits)


def test_every_cut_of_a_document_is_refused_with_a_reason(parse: Parse) -> None:
    whole = word(paragraphs("A"))
    for cut in range(1, len(whole), len(whole) // 12):
        with pytest.raises(DocumentUnreadable, match="^(truncated or damaged|holds something else)"):
            parse("a.docx", whole[:cut])


def test_malformed_xml_is_named_as_such(parse: Parse) -> None:
    content = with_body(word(paragraphs("A")), lambda xml: xml.replace("</w:body>", ""))
    with pytest.raises(DocumentUnreadable, match="^malformed XML in it$"):
        parse("a.docx", content)


def test_another_office_document_is_refused(parse: Parse) -> None:
    content = with_part(
        word(paragraphs("A")), "[Content_Types].xml", lambda data: data.replace(b"wordprocessingml.document.main", b"x.main")
    )
    with pytest.raises(DocumentUnreadable, match="^damaged, or not a Word document$"):
        parse("a.docx", content)
