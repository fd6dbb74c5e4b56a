"""Workbooks, slides, messages and lines of JSON: read on request, with what they show."""

from pathlib import Path

import pytest

from kb_platform.ingest.parse import LEFT_OUT
from kb_platform.ingest.sources import Upsert, open_source
from kb_platform.ingest.unreadable import DocumentUnreadable
from kb_platform_tests.ingest.made_files import TITLE, Parse, slides, workbook

DATES = '<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs>'


def test_sheets_are_tables_under_their_names_with_merged_cells_filled(parse: Parse) -> None:
    cells = [["Drug", "Route", "Dose"], ["Amoxicillin", "oral", '<c t="n"><v>0.30000000000000004</v></c>'], ["", "IV", '<c s="1"><v>45000</v></c>']]
    content = workbook({"Doses": cells}, '<mergeCells><mergeCell ref="A2:A3"/></mergeCells>', styles=DATES)
    assert parse("a.xlsx", content).text == (
        "## Doses\n\n| Drug | Route | Dose |\n|---|---|---|\n| Amoxicillin | oral | 0.3 |\n| Amoxicillin | IV | 2023-03-15 |"
    )


def test_hidden_sheets_and_columns_are_left_out_and_counted(parse: Parse) -> None:
    content = workbook({"A": [["x", "secret"]], "B": [["gone"]]}, state="hidden", rows='<cols><col min="2" max="2" hidden="1"/></cols>')
    document = parse("a.xlsx", content)
    assert document.text == "## A\n\n| x |\n|---|"
    assert document.metadata[LEFT_OUT] == ["hidden: 2"]


def test_raised_runs_of_a_cell_are_written_out(parse: Parse) -> None:
    cell = '<c t="inlineStr"><is><r><t>10</t></r><r><rPr><vertAlign val="superscript"/></rPr><t>9</t></r><r><t>/L</t></r></is></c>'
    assert "| 10⁹/L |" in parse("a.xlsx", workbook({"A": [[cell]]})).text


def test_slides_come_in_order_with_tables_numbers_and_raised_text(parse: Parse) -> None:
    steps = ('<p:sp><p:nvSpPr><p:cNvPr id="2" name="x"/><p:nvPr/></p:nvSpPr><p:txBody>' + "".join(
        f"<a:p><a:pPr><a:buAutoNum type='arabicPeriod'/></a:pPr><a:r><a:t>{t}</a:t></a:r></a:p>" for t in ("Close", "Open")) + "</p:txBody></p:sp>")
    up = ('<p:sp><p:nvSpPr><p:cNvPr id="3" name="x"/><p:nvPr/></p:nvSpPr><p:txBody><a:p><a:r><a:t>10</a:t></a:r>'
          '<a:r><a:rPr baseline="30000"/><a:t>9</a:t></a:r></a:p></p:txBody></p:sp>')
    document = parse("a.pptx", slides([["Pump", steps, up], ["Dose", "5 mg"]]))
    assert document.title == "Pump"
    assert document.text == "## Pump\n\n1. Close\n2. Open\n\n10⁹\n\n## Dose\n\n5 mg"
    assert TITLE not in document.text


def test_a_hidden_slide_is_left_out_and_counted(parse: Parse) -> None:
    document = parse("a.pptx", slides([["Seen", "a"], ["Gone", "b"]], show="0"))
    assert "Gone" not in document.text
    assert document.metadata[LEFT_OUT] == ["hidden: 1"]


def test_a_message_gives_subject_people_and_its_text_in_its_own_encoding(parse: Parse) -> None:
    head = b"From: Ward <w@example.org>\nTo: p@example.org\nSubject: =?utf-8?q?Dosis_=C3=A4ndern?=\nDate: Mon, 2 Mar 2026 10:00:00 +0000\n"
    kind = b"Content-Type: text/plain; charset=iso-8859-2\nContent-Transfer-Encoding: 8bit\n\n"
    document = parse("a.eml", head + kind + "Dávka, třikrát".encode("iso8859-2"))
    assert (document.title, document.text) == ("Dosis ändern", "Dávka, třikrát")
    assert document.metadata["from"] == "Ward <w@example.org>"


def test_a_message_in_html_is_read_as_a_page(parse: Parse) -> None:
    text = parse("a.eml", b"Subject: x\nContent-Type: text/html\n\n<p>10<sup>9</sup>/L</p><p hidden>gone</p>").text
    assert text == "10⁹/L"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.xlsx", b"PK\x03\x04text", "truncated or damaged"), ("a.xlsx", b"\xd0\xcf\x11\xe0", r"encrypted, or in the old binary format"),
        ("a.pptx", workbook({"A": [["x"]]}), "part ppt/presentation.xml is missing: not a PowerPoint file"), ("a.eml", b"hello", "no e-mail message"),
    ],
)
def test_what_is_none_is_refused_with_a_reason(parse: Parse, name: str, content: bytes, reason: str) -> None:
    with pytest.raises(DocumentUnreadable, match=reason):
        parse(name, content)


@pytest.mark.parametrize(
    ("line", "options", "kind"),
    [
        ('{"doc_id": "a", "text": "<b>x</b>"}', {}, "text/plain"),
        ('{"doc_id": "a", "text": "<b>x</b>"}', {"text_format": "markdown"}, "text/markdown"),
        ('{"doc_id": "a", "text": "x", "format": "markdown"}', {}, "text/markdown"),
        ('{"doc_id": "a", "text": "x", "format": "text/plain"}', {"text_format": "markdown"}, "text/plain"),
    ],
)
def test_the_text_of_a_line_is_plain_unless_it_or_its_source_says_markdown(tmp_path: Path, line: str, options: dict[str, str], kind: str) -> None:
    (tmp_path / "documents.jsonl").write_text(line)
    [item] = open_source("jsonl", {"path": tmp_path, **options}).scan({})
    assert isinstance(item, Upsert)
    assert item.document.media_type == kind
