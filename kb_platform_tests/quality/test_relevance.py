"""Which chunk answers a golden, at passage and at document level."""

import pytest

from kb_platform.quality.golden import ExpectedPassage
from kb_platform.quality.passages import DocumentKey, Location, PassageState, ResolvedPassage
from kb_platform.quality.relevance import answers, document_level, evaluate_goldens, passage_items, passage_level
from kb_platform_tests.quality.builders import Hit

DOC, OTHER = DocumentKey("wiki", "doc"), DocumentKey("wiki", "other")


def passage(start: int, end: int, document: DocumentKey = DOC, state: PassageState = PassageState.PRESENT) -> ResolvedPassage:
    """Return a passage that was found at one place."""
    return ResolvedPassage(ExpectedPassage(document.doc_id, "words"), state, (Location(document, start, end),), 1.0)


def hit(start: int, end: int, document: DocumentKey = DOC) -> Hit:
    """Return a retrieved chunk."""
    return Hit(document.source, document.doc_id, start, end)


def test_a_passage_in_one_of_several_documents_of_the_same_text_is_found_by_any_of_them() -> None:
    found = Hit("wiki", "copy", 300, 400, also_in=(hit(0, 130, OTHER), hit(0, 130)))
    assert answers(found, Location(DOC, 100, 160)) and not answers(found, Location(DocumentKey("wiki", "third"), 100, 160))
    resolved = {"g": (passage(100, 160),)}
    qrels, run = document_level({"g": [hit(0, 9, DocumentKey("wiki", "first")), found]}, resolved)
    assert qrels == {"g": {"wiki/doc": 1}} and sorted(run["g"], key=run["g"].__getitem__, reverse=True) == ["wiki/first", "wiki/copy", "wiki/other", "wiki/doc"]


@pytest.mark.parametrize(
    ("chunk", "location", "expected"),
    [
        (hit(0, 500), Location(DOC, 100, 160), True),  # contains it
        (hit(0, 130), Location(DOC, 100, 160), True),  # half of it
        (hit(0, 129), Location(DOC, 100, 160), False),  # a little less
        (hit(130, 500), Location(DOC, 100, 160), True),  # the other half
        (hit(0, 200), Location(DOC, 100, 900), True),  # 100 characters of a long one
        (hit(0, 199), Location(DOC, 100, 900), False),
        (hit(160, 300), Location(DOC, 100, 160), False),  # next to it
        (hit(0, 500, OTHER), Location(DOC, 100, 160), False),  # the same place in another document
        (hit(0, 500, DocumentKey("files", "doc")), Location(DOC, 100, 160), False),  # the same id in another source
        (hit(5, 5), Location(DOC, 5, 6), False),  # an empty chunk
    ],
)
def test_a_chunk_answers_when_it_holds_enough_of_the_passage(chunk: Hit, location: Location, expected: bool) -> None:
    assert answers(chunk, location) is expected


def test_a_passage_counts_at_the_first_chunk_that_holds_it() -> None:
    chunks = [hit(0, 50), hit(100, 200), hit(150, 250), hit(100, 200)]
    assert passage_items(chunks, [passage(100, 200)]) == ["chunk:0", "passage:0", "chunk:2", "chunk:3"]


def test_any_of_a_passages_places_will_do() -> None:
    twice = ResolvedPassage(ExpectedPassage("doc", "w"), PassageState.PRESENT, (Location(DOC, 0, 9), Location(DOC, 50, 59)), 1.0)
    assert passage_items([hit(50, 60), hit(0, 10)], [twice]) == ["passage:0", "chunk:1"]


def test_a_chunk_with_two_answers_pushes_no_later_chunk_down() -> None:
    chunks = [hit(0, 100), hit(500, 600), hit(200, 300)]
    items = passage_items(chunks, [passage(0, 40), passage(50, 90), passage(200, 240)])
    assert items == ["passage:0", "passage:1", "passage:2"]


def test_answers_beyond_the_last_chunk_are_kept() -> None:
    assert passage_items([hit(0, 100)], [passage(0, 40), passage(50, 90)]) == ["passage:0", "passage:1"]


def test_a_stale_passage_answers_nothing_and_is_not_asked_for() -> None:
    resolved = {"q": [passage(0, 40, state=PassageState.CHANGED), passage(50, 90)]}
    qrels, run = passage_level({"q": [hit(0, 40), hit(50, 90)]}, resolved)
    assert qrels == {"q": {"passage:1": 1}}
    assert run == {"q": {"chunk:0": 2.0, "passage:1": 1.0}}


def test_a_golden_with_stale_passages_only_is_left_out() -> None:
    resolved = {"q": [passage(0, 40, state=PassageState.DELETED)]}
    assert passage_level({"q": [hit(0, 40)]}, resolved) == ({}, {})
    assert evaluate_goldens({"q": [hit(0, 40)]}, resolved).queries == 0


def test_measures_are_those_of_the_first_answer() -> None:
    resolved = {"found": [passage(100, 200), passage(300, 400)], "lost": [passage(0, 10)], "unasked": [passage(0, 10)]}
    rankings = {"found": [hit(0, 50), hit(100, 200), hit(900, 999)], "lost": [hit(50, 60)]}
    metrics = evaluate_goldens(rankings, resolved)
    assert metrics.per_query["found"] == {
        "nDCG@10": pytest.approx(0.6309297535714575 / (1 + 0.6309297535714575)),
        "R@10": 0.5,
        "RR@10": 0.5,
        "Success@1": 0.0,
        "Success@5": 1.0,
    }
    assert set(metrics.per_query["lost"].values()) == set(metrics.per_query["unasked"].values()) == {0.0}
    assert metrics.mean["Success@5"] == pytest.approx(1 / 3)


def test_success_at_five_looks_at_five_chunks() -> None:
    sixth = [hit(n * 100, n * 100 + 50) for n in range(6)]
    at = {n: evaluate_goldens({"q": sixth}, {"q": [passage(n * 100, n * 100 + 50)]}).per_query["q"] for n in (4, 5)}
    assert (at[4]["Success@5"], at[5]["Success@5"]) == (1.0, 0.0)
    assert at[5]["RR@10"] == pytest.approx(1 / 6)


def test_the_document_level_ranks_each_document_once() -> None:
    chunks = [hit(0, 9, OTHER), hit(10, 19, OTHER), hit(700, 799)]
    qrels, run = document_level({"q": chunks}, {"q": [passage(0, 40), passage(50, 90)]})
    assert qrels == {"q": {"wiki/doc": 1}}
    assert run == {"q": {"wiki/other": 2.0, "wiki/doc": 1.0}}
