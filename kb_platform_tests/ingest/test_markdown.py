"""Markdown, its front matter and the markup of other languages in it."""

import pytest

from kb_platform_tests.ingest.made_files import Parse


def test_front_matter_gives_title_and_metadata_and_leaves_the_text(parse: Parse) -> None:
    document = parse(
        "a.md",
        "---\ntitle: Asthma plan\ntags: [lungs, 'chronic']\nreviewed: 2018-07-31\n"
        "answer: no\nempty:\nnested: {a: [1]}\n---\n# Other\n\nBody.\n",
    )
    assert document.title == "Asthma plan"
    assert document.text == "# Other\n\nBody."
    assert document.metadata == {
        "tags": ["lungs", "chronic"],
        "reviewed": "2018-07-31",
        "answer": "no",
        "nested": '{"a": ["1"]}',
    }


@pytest.mark.parametrize(
    "block",
    [
        "a: [unclosed",
        "just words",
        "- a\n- list",
        "a: &x [1]\nb: [*x, *x]",
        "a: " + "[" * 500,
        "k: |\n  " + "x" * 70_000,
    ],
)
def test_front_matter_that_is_broken_stays_as_text(parse: Parse, block: str) -> None:
    document = parse("a.md", f"---\n{block}\n---\nBody.\n")
    assert document.text.startswith("---")
    assert document.text.endswith("Body.")
    assert document.metadata == {}


def test_front_matter_never_constructs_anything(parse: Parse, tmp_path) -> None:
    target = tmp_path / "touched"
    document = parse("a.md", f"---\nx: !!python/object/apply:os.system ['touch {target}']\n---\nBody.\n")
    assert not target.exists()
    assert document.text == "Body."


def test_a_line_of_hyphens_in_the_text_is_no_front_matter(parse: Parse) -> None:
    assert parse("a.md", "Text.\n\n---\na: b\n---\n").text == "Text.\n\n---\na: b\n---"


def test_front_matter_with_windows_line_ends_and_a_byte_order_mark_is_read(parse: Parse) -> None:
    document = parse("a.md", b"\xef\xbb\xbf---\r\ntitle: T\r\n---\r\nBody.\r\n")
    assert (document.title, document.text) == ("T", "Body.")


def test_without_front_matter_the_first_heading_is_the_title(parse: Parse) -> None:
    assert parse("a.md", "Intro\n\n## Dosing ##\n\nText").title == "Dosing"
    assert parse("a.md", "```\n# no heading\n```\n\n# Heading").title == "Heading"
    assert parse("a.md", "~~~\n# no heading\n~~~\n\n# Switch off `KB_HOME` first").title == "Switch off KB_HOME first"


@pytest.mark.parametrize(
    ("name", "title"),
    [("vaccine_info-2018.md", "Vaccine info 2018"), ("wards/icu/index.md", "Icu"), ("README.md", "README"), (" x.md", "X")],
)
def test_without_any_title_the_file_name_is_made_one(parse: Parse, name: str, title: str) -> None:
    assert parse(name, "Text").title == title


def test_tags_go_and_their_words_stay(parse: Parse) -> None:
    text = parse(
        "a.md",
        '<div class="x">\n    <h3>Who <em>can</em> apply</h3>\n      <p>Veterans&nbsp;&amp; families.</p>\n'
        '  <ul><li>One</li><li>Two<br/>lines</li></ul>\n</div>\n<spand id="y">odd</spand> {% include "a.html" %}',
    ).text
    assert text == "### Who can apply\n\nVeterans & families.\n\n- One\n\n- Two\nlines\n\nodd"


def test_scripts_styles_comments_and_hidden_elements_do_not_reach_the_text(parse: Parse) -> None:
    text = parse(
        "a.md",
        "Seen.\n<script>var secret1</script><style>.secret2{}</style><!-- secret3 -->"
        '<div style="display: none">secret4 <div>secret5</div></div>\n<p hidden>secret6</p>\n'
        "{% comment %} secret7 {% endcomment %}\nAlso seen.\n<span hidden>secret8\n\nStill seen.",
    ).text
    assert "secret" not in text
    assert text.split() == ["Seen.", "Also", "seen.", "Still", "seen."]


def test_comparisons_links_and_heading_ids_are_no_markup(parse: Parse) -> None:
    text = "If 3 <x and y> 5, or <LOD and >ULN: see <https://example.org/a> <5 mg. ## H {#id} 100% {x}"
    assert parse("a.md", text).text == text


def test_code_is_left_as_it_is(parse: Parse) -> None:
    text = "Use `<b>` and:\n\n```html\n<div>{{ x }}</div>\n```\n\nthen <b>go</b>."
    assert parse("a.md", text).text == text.replace("<b>go</b>", "go")


def test_nested_lists_keep_their_indentation(parse: Parse) -> None:
    text = "- a\n    - b\n        - c"
    assert parse("a.md", text + "\n\n<p>x</p>").text.startswith(text)


def test_table_cells_of_html_stand_apart(parse: Parse) -> None:
    text = parse("a.md", "<table><tr><td>Dose</td><td>75 mg</td></tr></table>").text
    assert text == "| Dose | 75 mg |\n|---|---|"


@pytest.mark.parametrize("piece", ["<p hidden>", "<a ", "{% comment %}", "`", "<!--", "[", "{{", "<script>", "\t ", "---\n"])
def test_a_long_run_of_the_same_piece_is_read_in_linear_time(parse: Parse, piece: str) -> None:
    assert parse("a.md", "# T\n\nBody. " + piece * (200_000 // len(piece)) + " end").title == "T"


def test_two_megabytes_on_one_line_are_read(parse: Parse) -> None:
    document = parse("a.md", "word " * 400_000)
    assert len(document.text) == 2_000_000 - 1
    assert parse("a.md", "# " + "word " * 400_000 + "\n\nx").title.startswith("word word")
