"""CSV and JATS: read on request."""

import pytest

from kb_platform.ingest.unreadable import DocumentUnreadable
from kb_platform_tests.ingest.made_files import Parse


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_delimited_file_is_a_table(parse: Parse, delimiter: str) -> None:
    content = f'Drug{delimiter}Dose\r\nA{delimiter}"5, 6; 7\n8"\r\nB\r\n\r\n'
    assert parse("doses.csv", content).text == "| Drug | Dose |\n|---|---|\n| A | 5, 6; 7 8 |\n| B |  |"


def test_a_quote_that_never_ends_is_refused(parse: Parse) -> None:
    with pytest.raises(DocumentUnreadable, match="^broken CSV"):
        parse("a.csv", 'a,"' + "x" * 200_000)


def test_an_article_gives_sections_tables_and_metadata_without_references(parse: Parse) -> None:
    document = parse(
        "a.xml",
        """<article><front><journal-meta><journal-title>J Test</journal-title></journal-meta><article-meta>
        <article-id pub-id-type="doi">10.1/x</article-id>
        <title-group><article-title>Of <italic>mice</italic></article-title></title-group>
        <pub-date><year>2020</year></pub-date><abstract><p>Short.</p></abstract></article-meta></front>
        <body><sec><title>Methods</title><p>Long<sup>2</sup>.</p><sec><title>Mice</title>
        <list list-type="bullet"><list-item><p>one</p></list-item>
        <list-item><p>two</p></list-item></list></sec>
        <table-wrap><label>Table 1</label><caption><title>Doses</title></caption>
        <table><thead><tr><th>a</th><th>b</th></tr></thead>
        <tbody><tr><td>1</td><td>2</td></tr></tbody></table></table-wrap></sec></body>
        <back><ref-list><title>References</title>
        <ref><mixed-citation>Author A</mixed-citation></ref></ref-list></back></article>""",
    )
    assert document.title == "Of mice"
    assert document.metadata == {"journal": "J Test", "doi": "10.1/x", "year": "2020", "parse_left_out": ["references: 1"]}
    assert document.text == (
        "# Of mice\n\n## Abstract\n\nShort.\n\n## Methods\n\nLong².\n\n### Mice\n\n- one\n- two"
        "\n\nTable 1\n\nDoses\n\n| a | b |\n|---|---|\n| 1 | 2 |"
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("<article>", "^malformed XML$"),
        ("<html><body/></html>", "^XML, but no JATS article$"),
        ("%PDF-1.4", "^holds a PDF, not XML$"),
    ],
)
def test_other_xml_is_refused_with_a_reason(parse: Parse, content: str, reason: str) -> None:
    with pytest.raises(DocumentUnreadable, match=reason):
        parse("a.xml", content)


def test_entities_are_neither_fetched_nor_expanded(parse: Parse, tmp_path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("SECRET")
    document = parse(
        "a.xml", f'<!DOCTYPE a [<!ENTITY e SYSTEM "file://{secret}">]><article><body><p>Text &e;</p></body></article>'
    )
    assert document.text == "Text"


def test_a_comma_in_numbers_and_names_is_no_delimiter(parse: Parse) -> None:
    text = parse("a.csv", "Name;Strength, mg;Price, EUR\nDigitoxin, drops;0,07;2,10\nDigitoxin, pills;0,1;1,95\n").text
    assert text == "| Name | Strength, mg | Price, EUR |\n|---|---|---|\n| Digitoxin, drops | 0,07 | 2,10 |\n| Digitoxin, pills | 0,1 | 1,95 |"
