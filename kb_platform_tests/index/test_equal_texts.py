"""Equal texts take one place in a ranking, and name all their documents."""

import pytest

from kb_platform.index.equal_texts import MOST, different, wide
from kb_platform.storage.search import Hit


def hit(number: int, text: str) -> Hit:
    """Return a hit; the lower its number, the better it is."""
    return Hit(number, "s", f"d{number}", "T", 0, len(text), text, 0.5, 0.5, 1 / (1 + number))


def ranking(*texts: str) -> list[Hit]:
    return [hit(n, text) for n, text in enumerate(texts)]


def test_the_best_of_equal_texts_stands_for_them_and_names_the_others_in_their_order() -> None:
    hits = ranking("a", "b", "a ", "c", "b", "a")
    found = different(hits, 3, lambda _: pytest.fail("enough were there"))
    assert [(h.doc_id, [at.doc_id for at in h.also_in]) for h in found] == [("d0", ["d2", "d5"]), ("d1", ["d4"]), ("d3", [])]


def test_texts_that_differ_are_left_as_they_are() -> None:
    hits = ranking("a", "b", "c")
    assert different(hits, 2, lambda _: pytest.fail("enough were there")) == hits[:2]


def test_more_is_asked_for_where_copies_fill_the_list() -> None:
    everything = ranking(*["copy"] * 100, "other", "third")
    asked: list[int] = []

    def ask(k: int) -> list[Hit]:
        asked.append(k)
        return everything[:k]

    found = different(everything[: wide(3)], 3, ask)
    assert [h.content for h in found] == ["copy", "other", "third"] and len(found[0].also_in) == 99
    assert asked == [4 * wide(3), 16 * wide(3)]


def test_a_corpus_of_one_text_ends_the_search() -> None:
    found = different(ranking(*["copy"] * wide(5)), 5, lambda k: ranking(*["copy"] * k))
    assert len(found) == 1 and len(found[0].also_in) == MOST - 1
