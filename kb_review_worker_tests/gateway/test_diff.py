"""The difference that a reviewer sees: every changed line, whatever the texts are."""

from hypothesis import given
from hypothesis import strategies as st

from kb_review_worker.gateway.pages.diff import MOST_LINES, Line, compare

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=30).map("\n".join)


def test_a_changed_word_is_marked_within_its_line() -> None:
    lines = compare("keep\nGive 5 mg daily.\n", "keep\nGive 50 mg daily.\n") or []
    assert [(line.sign, line.number) for line in lines] == [("same", 1), ("removed", 2), ("added", 2)]
    assert [part.text for part in lines[1].parts if part.changed] == ["5"]
    assert [part.text for part in lines[2].parts if part.changed] == ["50"]


def test_what_did_not_change_is_counted() -> None:
    old = [f"line {n}" for n in range(100)]
    lines = compare("\n".join(old), "\n".join(["new", *old[:50], *old[51:]])) or []
    assert [line.number for line in lines if line.sign == "skipped"] == [44, 46]
    assert [line.sign for line in lines if line.sign in {"added", "removed"}] == ["added", "removed"]


def test_texts_that_are_too_long_are_not_compared() -> None:
    assert compare("a\n" * (MOST_LINES + 1), "b") is None


@given(TEXTS, TEXTS)
def test_nothing_is_lost(old: str, new: str) -> None:
    lines = compare(old, new)
    assert lines is not None
    before, after = old.splitlines(), new.splitlines()
    assert bool(lines) == (before != after)
    for line in lines:
        if line.sign != "skipped":
            assert _text(line) == (before if line.sign == "removed" else after)[line.number - 1]
    unshown = sum(line.number for line in lines if line.sign == "skipped") if lines else len(after)
    assert len([line for line in lines if line.sign in {"same", "added"}]) + unshown == len(after)
    assert len([line for line in lines if line.sign in {"same", "removed"}]) + unshown == len(before)


def _text(line: Line) -> str:
    return "".join(part.text for part in line.parts)
