"""HTML pages."""

import pytest

from kb_platform.ingest.unreadable import DocumentUnreadable
from kb_platform_tests.ingest.made_files import Parse

ARTICLE = " ".join(f"Sentence {n} of the article tells how the dose is chosen for adults." for n in range(40))


def page(body: str, head: str = "<title>Dosing</title>") -> str:
    """Return a whole page."""
    return f"<!DOCTYPE html><html><head><meta charset='utf-8'>{head}</head><body>{body}</body></html>"


def test_the_article_stays_and_navigation_and_footer_go(parse: Parse) -> None:
    document = parse(
        "a.html",
        page(
            "<header><a href='/'>Site name</a></header><nav><ul><li><a href='/x'>Menu entry</a></li></ul></nav>"
            f"<main><h1>Dosing</h1><h2>Adults</h2><p>{ARTICLE}</p></main><footer>Imprint and cookies</footer>"
        ),
    )
    assert document.title == "Dosing"
    assert "## Adults" in document.text
    assert ARTICLE in document.text
    assert not any(words in document.text for words in ("Menu entry", "Imprint", "Site name"))


def test_a_short_page_is_read_whole(parse: Parse) -> None:
    text = parse(
        "a.html", page("<p>Take one tablet.</p><ul><li>With water</li><li>Not with milk</li></ul><div>Ask if unsure.</div>")
    ).text
    assert text == "Take one tablet.\n\n- With water\n- Not with milk\n\nAsk if unsure."


def test_what_surrounds_the_article_goes_on_a_page_that_marks_nothing(parse: Parse) -> None:
    links = "".join(f"<div><a href='/{n}'>Read more about subject number {n}</a></div>" for n in range(50))
    text = parse(
        "a.html",
        page(
            f"<div class='page'><div class='left'>{links}</div><div class='content'><h2>Adults</h2><p>{ARTICLE}</p></div></div>"
        ),
    ).text
    assert "Read more about subject" not in text
    assert text.startswith("## Adults")


def test_what_is_named_as_navigation_goes(parse: Parse) -> None:
    text = parse("a.html", page("<div class='x Footer'>Imprint</div><p>Text.</p><ul id='breadcrumbs'><li>Home</li></ul>")).text
    assert text == "Text."


def test_text_behind_a_table_is_not_lost(parse: Parse) -> None:
    assert parse("a.html", page("<h1>H</h1><p>First.</p><table><tr><td>A</td><td>B</td></tr></table>After.")).text.endswith(
        "\n\nAfter."
    )


def test_a_page_that_trafilatura_flattens_still_gives_its_table(parse: Parse) -> None:
    text = parse(
        "a.html", page("<table><tr><th>Drug</th><th>Dose</th></tr><tr><td>A<sub>2</sub></td><td>5 | 7 mg</td></tr></table>")
    ).text
    assert text == "| Drug | Dose |\n|---|---|\n| A₂ | 5 \\| 7 mg |"


@pytest.mark.parametrize(
    "hidden",
    [
        "<p style='display:none'>SECRET</p>",
        "<p style='color:red; DISPLAY : NONE !important'>SECRET</p>",
        "<div hidden>SECRET</div>",
        "<p style='visibility:hidden'>SECRET</p>",
        "<p style='font-size:0'>SECRET</p>",
        "<p style='font-size: 0px;'>SECRET</p>",
        "<p style='opacity:0.0'>SECRET</p>",
        "<script>SECRET</script>",
        "<style>SECRET</style>",
        "<template>SECRET</template>",
        "<!-- SECRET -->",
        "<noscript>SECRET</noscript>",
        "<div style='display:none'><p>a<b>SECRET</b></p></div>",
        "<svg><title>SECRET</title></svg>",
        "<iframe>SECRET</iframe>",
        "<input type='hidden' value='SECRET'>",
    ],
)
@pytest.mark.parametrize("body", ["<p>Amoxicillin 500 mg.</p>", f"<p>{ARTICLE}</p>"])
def test_hidden_text_does_not_reach_the_document(parse: Parse, hidden: str, body: str) -> None:
    text = parse("a.html", page(f"{body}{hidden}<p>Shown at the end of this page.</p>")).text
    assert "SECRET" not in text
    assert "Shown at the end of this page." in text


@pytest.mark.parametrize("style", ["font-size:0.9em", "opacity:0.5", "display:block", "font-size: 0.8rem; color: red"])
def test_small_text_is_not_hidden_text(parse: Parse, style: str) -> None:
    assert "Footnote" in parse("a.html", page(f"<p>Amoxicillin.</p><p style='{style}'>Footnote</p>")).text


def test_signs_are_not_escaped(parse: Parse) -> None:
    text = parse("a.html", page(f"<p>{ARTICLE}</p><p>5_mg * 3 &lt;= [x] `y` #1 1. a\\b &amp; c</p>")).text
    assert "5_mg * 3 <= [x] `y` #1 1. a\\b & c" in text


def test_the_first_heading_is_the_title_of_a_page_without_one(parse: Parse) -> None:
    assert parse("a.html", page("<h1>Heart <em>failure</em></h1><p>Text.</p>", head="")).title == "Heart failure"


def test_the_description_is_metadata(parse: Parse) -> None:
    assert parse("a.html", page("<p>Text.</p>", head="<meta name='Description' content='What it is'>")).metadata == {
        "description": "What it is"
    }


def test_the_declared_encoding_is_used(parse: Parse) -> None:
    content = (
        "<html><head><meta http-equiv='Content-Type' content='text/html; charset=windows-1251'></head><p>Привет, мир</p></html>"
    )
    document = parse("a.html", content.encode("cp1251"))
    assert (document.text, document.metadata) == ("Привет, мир", {})


@pytest.mark.parametrize(
    "content", ["<html></html>", "<title>App</title><div id='root'></div><script>x()</script>", "<!-- only -->", "<html hidden>"]
)
def test_a_page_without_words_is_refused(parse: Parse, content: str) -> None:
    with pytest.raises(DocumentUnreadable, match="^(empty: no text in it|no text on the page)$"):
        parse("a.html", content)


def test_a_page_nested_a_thousand_deep_is_read_to_its_end(parse: Parse) -> None:
    assert parse("a.html", page("<div>" * 1000 + "<p>Deep text.</p>" + "</div>" * 1000 + "<p>Last.</p>")).text.split("\n\n") == [
        "Deep text.",
        "Last.",
    ]


def test_nested_lists_are_indented(parse: Parse) -> None:
    text = parse("a.html", page("<ul><li>One<ul><li>Two</li></ul></li><li>Three</li></ul>")).text
    assert text == "- One\n  - Two\n- Three"
