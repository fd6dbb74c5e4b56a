"""Where sentences begin."""

import pytest

from kb_platform.index.sentences import sentence_starts


def split(text: str) -> list[str]:
    cuts = [0, *sorted(set(sentence_starts(text)) - {0, len(text)}), len(text)]
    return [text[a:b].strip() for a, b in zip(cuts, cuts[1:], strict=False)]


@pytest.mark.parametrize(
    "sentences",
    [
        ["Take one tablet.", "Call a doctor if it hurts!", "Does it?", "Yes."],
        ['She said "stop."', "Then she left."],
        ["It ended (finally).", "A new one begins."],
        ["**Take care.**", "**Ask first.**"],
        ["这个药每天吃一次。", "请问医生！", "好吗？"],
        ["यह दवा है।", "रोज लें।"],
        ["هل تؤلم؟", "نعم."],
        ["Принимать утром.", "Запить водой."],
        ["He waited...", "Nothing came."],
        ["The level is 5.", "2 of 3 were well."],
    ],
)
def test_sentences_are_found(sentences: list[str]) -> None:
    assert split(" ".join(sentences)) == sentences


@pytest.mark.parametrize(
    "text",
    [
        "Dr. Smith gave 2.5 mg b.i.d. to Mrs. Jones of St. Louis.",
        "See Fig. 3 and vol. 12, pp. 4-9, by J. R. Miller et al. (2003).",
        "Open from 8 a.m. Monday to 5 p.m. Friday.",
        "E. coli and S. aureus were found, e.g. Enterobacter spp. Resistant ones too",
        "It is vs. Placebo",
        "Chronic illness. and lower case goes on",
        "1. First item",
        "Items\n2. Second item",
        "no stop at all",
        "",
        "...",
    ],
)
def test_what_only_looks_like_an_end_is_none(text: str) -> None:
    assert split(text) == [text]


def test_runs_of_stops_and_blanks_take_linear_time() -> None:
    assert list(sentence_starts("." * 300_000 + "a")) == []
    assert list(sentence_starts("a." + " " * 300_000 + "b")) == []
    assert list(sentence_starts('"' * 300_000 + " A")) == []
