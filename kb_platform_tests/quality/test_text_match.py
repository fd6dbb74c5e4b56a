"""Quotes are found despite typography and markup, never despite other digits or signs, and their place is exact."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb_platform.quality.text_match import closest_window, find_quote, fold_text


def found(text: str, quote: str) -> list[str]:
    """Return the original text of each occurrence."""
    return [text[start:end] for start, end in find_quote(fold_text(text), fold_text(quote).text)]


@pytest.mark.parametrize(
    ("text", "quote", "original"),
    [
        ("Call the ward.", "call THE ward", "Call the ward"),
        ("The “on-call” nurse’s desk", 'the "on-call" nurse\'s desk', "The “on-call” nurse’s desk"),
        ("open 14:00–19:00 daily", "Open 14:00-19:00", "open 14:00–19:00"),
        ("Give **10 mg** of `drug_x` now", "give 10 mg of drug_x now", "Give **10 mg** of `drug_x` now"),
        ("wash\n   your\u00a0hands\r\nfirst", "wash your hands first", "wash\n   your\u00a0hands\r\nfirst"),
        ("Steps:\n- Wash hands\n- Put on gloves\n", "Steps: Wash hands Put on gloves", "Steps:\n- Wash hands\n- Put on gloves"),
        (
            "Steps:\n• Wash hands\n• Put on gloves\n",
            "Steps: - Wash hands - Put on gloves",
            "Steps:\n• Wash hands\n• Put on gloves",
        ),
        ("## Dose\n\nTwo tablets", "Dose Two tablets", "Dose\n\nTwo tablets"),
        ("> Quiet hours\n> begin at ten", "quiet hours begin at ten", "Quiet hours\n> begin at ten"),
        ("| Ward | Phone |\n| 3B | 4711 |", "3B 4711", "3B | 4711"),
        ("the pa\u00adtient's e\u0301tat", "the patient's état", "the pa\u00adtient's e\u0301tat"),
        ("ﬁrst-line Straße", "first-line strasse", "ﬁrst-line Straße"),
        ("wait…", "wait...", "wait…"),
        ("😀 call 2222 😀", "call 2222", "call 2222"),
    ],
)
def test_typography_markup_and_white_space_do_not_matter(text: str, quote: str, original: str) -> None:
    assert found(text, quote) == [original]


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ("Give 110 mg", "10 mg"),
        ("Give 10 mg", "10 m"),
        ("Give 1.5 mg", "Give 15 mg"),
        ("if < 5 mmol", "if > 5 mmol"),
        ("Wait 30 minutes", "Wait 20 minutes"),
        ("anything", ""),
        ("", "anything"),
    ],
)
def test_other_digits_signs_and_parts_of_words_do_not_match(text: str, quote: str) -> None:
    assert found(text, quote) == []


def test_every_occurrence_is_found() -> None:
    assert found("Call 2222. Really: call 2222!", "call 2222") == ["Call 2222", "call 2222"]


words = st.lists(st.text(alphabet="abcdé1ß“–", min_size=1, max_size=5), min_size=1, max_size=12)


@given(before=words, quote=words, after=words, glue=st.sampled_from([" ", "\n", " \u00a0", "\n> "]))
def test_a_quote_is_found_where_it_was_put(before: list[str], quote: list[str], after: list[str], glue: str) -> None:
    text = " ".join(before) + " " + glue.join(quote) + " " + " ".join(after)
    wanted = fold_text(" ".join(quote)).text
    if wanted:
        spans = list(find_quote(fold_text(text), wanted))
        assert spans
        assert all(fold_text(text[start:end]).text == wanted for start, end in spans)


@given(st.text())
def test_folding_keeps_an_ascending_origin_within_the_text_and_is_stable(text: str) -> None:
    folded = fold_text(text)
    assert len(folded.origin) >= len(folded.text)
    origins = folded.origin.tolist()
    assert origins == sorted(origins)
    assert all(0 <= origin < len(text) for origin in origins)
    assert "  " not in folded.text


def test_the_closest_window_is_where_most_words_are() -> None:
    text = "Visitors are asked to wait. Quiet hours on the ward begin at ten in the evening. Lights are dimmed."
    share, (start, end) = closest_window(fold_text(text), "quiet hours on the ward begin at nine in the evening")
    assert share == pytest.approx(10 / 11)
    assert text[start:end] == "Quiet hours on the ward begin at ten in the evening"


def test_repeated_words_count_as_often_as_they_are_quoted() -> None:
    share, _ = closest_window(fold_text("the cat"), "the the the cat")
    assert share == 0.5


def test_nothing_shared_is_zero() -> None:
    assert closest_window(fold_text("alpha beta"), "gamma") == (0.0, (0, 0))
    assert closest_window(fold_text(""), "gamma") == (0.0, (0, 0))


@given(text=st.lists(st.sampled_from("abcde"), max_size=30), quote=st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6))
def test_the_sliding_count_agrees_with_counting_every_window(text: list[str], quote: list[str]) -> None:
    size = len(quote)
    windows = [text[max(0, end - size) : end] for end in range(1, len(text) + 1)]
    best = max((sum(min(window.count(w), quote.count(w)) for w in set(quote)) for window in windows), default=0)
    assert closest_window(fold_text(" ".join(text)), " ".join(quote))[0] == pytest.approx(best / size)
