"""What became of an expected passage: present, moved, changed or deleted, and where it stands."""

import hashlib
import json
from collections.abc import Collection, Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kb_platform.quality.golden import ExpectedPassage, Golden
from kb_platform.quality.passages import (
    DocumentKey,
    Location,
    PassageState,
    ResolvedPassage,
    resolve_goldens,
    resolve_passages,
    stale_goldens,
)
from kb_platform.quality.text_match import fold_text
from kb_platform_tests.quality.builders import golden, reading, texts

QUOTE = "Quiet hours on the ward begin at nine in the evening."


def resolve(passage: ExpectedPassage, documents: dict[DocumentKey, str]) -> ResolvedPassage:
    """Resolve one passage."""
    return resolve_passages([passage], reading(documents))[passage]


def test_a_quote_that_stands_is_present_at_each_of_its_places() -> None:
    text = f"Intro. {QUOTE} And again: {QUOTE}"
    result = resolve(ExpectedPassage("ward", QUOTE), texts(ward=text, other=QUOTE))
    assert result.state is PassageState.PRESENT
    assert result.fresh
    assert [text[where.start : where.end] for where in result.locations] == [QUOTE, QUOTE]
    assert {where.document for where in result.locations} == {DocumentKey("wiki", "ward")}


def test_a_quote_that_stands_in_another_document_has_moved() -> None:
    result = resolve(ExpectedPassage("ward", QUOTE), texts(ward="Nothing here.", night=f"Now here: {QUOTE}"))
    assert result.state is PassageState.MOVED
    assert result.fresh
    assert result.locations == (Location(DocumentKey("wiki", "night"), 10, 10 + len(QUOTE)),)


def test_a_quote_of_a_document_that_is_gone_may_have_moved_too() -> None:
    assert resolve(ExpectedPassage("ward", QUOTE), texts(night=QUOTE)).state is PassageState.MOVED


def test_a_short_quote_elsewhere_is_chance_and_not_a_move() -> None:
    assert resolve(ExpectedPassage("ward", "call 2222"), texts(ward="Nothing.", night="call 2222")).state is PassageState.DELETED


def test_an_edited_quote_is_changed_and_its_successor_is_shown() -> None:
    text = f"Intro. {QUOTE.replace('nine', 'ten')} Outro."
    result = resolve(ExpectedPassage("ward", QUOTE), texts(ward=text))
    assert result.state is PassageState.CHANGED
    assert not result.fresh
    assert result.similarity == pytest.approx(10 / 11)
    (where,) = result.locations
    assert text[where.start : where.end] == QUOTE.replace("nine", "ten").rstrip(".")


@pytest.mark.parametrize("documents", [texts(ward="Something else altogether."), texts(other="Unrelated."), {}])
def test_a_quote_that_is_nowhere_is_deleted(documents: dict[DocumentKey, str]) -> None:
    result = resolve(ExpectedPassage("ward", QUOTE), documents)
    assert (result.state, result.locations) == (PassageState.DELETED, ())


def test_a_source_narrows_the_document_and_without_one_every_source_counts() -> None:
    documents = {DocumentKey("a", "ward"): QUOTE, DocumentKey("b", "ward"): f"{QUOTE}!", DocumentKey("c", "ward"): "Else."}
    anywhere = resolve(ExpectedPassage("ward", QUOTE), documents)
    assert [where.document.source for where in anywhere.locations] == ["a", "b"]
    named = resolve(ExpectedPassage("ward", QUOTE, "b"), documents)
    assert [where.document.source for where in named.locations] == ["b"]
    assert resolve(ExpectedPassage("ward", QUOTE, "c"), documents).state is PassageState.MOVED


def test_of_two_sources_the_more_similar_text_is_the_successor() -> None:
    documents = {DocumentKey("a", "ward"): "Quiet hours on the ward.", DocumentKey("b", "ward"): QUOTE.replace("nine", "ten")}
    result = resolve(ExpectedPassage("ward", QUOTE), documents)
    assert (result.state, result.locations[0].document.source) == (PassageState.CHANGED, "b")


def test_a_golden_is_stale_when_none_of_its_passages_stands() -> None:
    documents = texts(doc=f"Answer 1. {QUOTE}", edited="one two three four FIVE")
    goldens = [
        golden(1),
        golden(2),
        Golden("half", "Q?", (ExpectedPassage("doc", QUOTE), ExpectedPassage("gone", "never written"))),
        Golden("edited", "Q?", (ExpectedPassage("edited", "one two three four six"), ExpectedPassage("gone", "x y z"))),
    ]
    resolved = resolve_goldens(goldens, reading(documents))
    assert [p.state for p in resolved["half"]] == [PassageState.PRESENT, PassageState.DELETED]
    assert stale_goldens(resolved) == {"q002": PassageState.DELETED, "edited": PassageState.CHANGED}


sentences = st.lists(st.sampled_from(["the", "ward", "is", "quiet", "from", "nine", "to", "ten", "and", "again", "at", "noon,", "says", "Dr.", "Who", "(twice)"]), min_size=5, max_size=12)


@settings(max_examples=200, deadline=None)
@given(quote=sentences, before=sentences, after=sentences, elsewhere=st.booleans(), edited=st.booleans())
def test_a_quote_that_stands_anywhere_is_found_and_one_that_does_not_is_not(
    quote: list[str], before: list[str], after: list[str], elsewhere: bool, edited: bool
) -> None:
    said, kept = " ".join(quote), " ".join([*quote[:-1], "edited"] if edited else quote)
    text = f"{' '.join(before)}\n{kept.upper()} {' '.join(after)}"
    documents = texts(ward="Nothing of it.", night=text) if elsewhere else texts(ward=text, night="Nothing of it.")
    result = resolve(ExpectedPassage("ward", said), documents)
    stands = fold_text(said).text in fold_text(text).text
    if stands:
        assert result.state is (PassageState.MOVED if elsewhere else PassageState.PRESENT)
        key = DocumentKey("wiki", "night" if elsewhere else "ward")
        assert {fold_text(documents[key][at.start : at.end]).text for at in result.locations} == {fold_text(said).text}
    else:
        assert not result.fresh


def test_documents_that_no_golden_names_are_read_only_when_a_quote_is_missing() -> None:
    asked: list[object] = []

    def read(ids: Collection[str] | None) -> Iterable[tuple[DocumentKey, str]]:
        asked.append(ids and sorted(ids))
        return reading(texts(ward=QUOTE, other="x"))(ids)

    resolve_passages([ExpectedPassage("ward", QUOTE)], read)
    assert asked == [["ward"]]
    resolve_passages([ExpectedPassage("ward", QUOTE), ExpectedPassage("ward", "five words that are nowhere")], read)
    assert asked[1:] == [["ward"], None]


def test_every_answer_of_a_real_corpus_is_found_exactly_where_it_is(shared_data: Path) -> None:
    folder = shared_data / "medquad_small"
    rows = [json.loads(line) for line in (folder / "documents.jsonl").read_text().splitlines()]
    documents = {DocumentKey("pages", row["doc_id"]): row["text"] for row in rows}
    spans = [json.loads(line) for line in (folder / "answer_spans.jsonl").read_text().splitlines()][::5]
    passages = [
        ExpectedPassage(s["doc_id"], documents[DocumentKey("pages", s["doc_id"])][s["start"] : s["end"]].upper()) for s in spans
    ]
    resolved = resolve_passages(passages, reading(documents))
    for span, passage in zip(spans, passages, strict=True):
        assert resolved[passage].state is PassageState.PRESENT
        text = documents[DocumentKey("pages", span["doc_id"])]
        found = {hashlib.sha1(text[w.start : w.end].encode()).hexdigest() for w in resolved[passage].locations}
        shifts = {(abs(w.start - span["start"]), abs(w.end - span["end"])) for w in resolved[passage].locations}
        assert span["sha1"] in found or any(max(shift) <= 3 for shift in shifts)  # a bullet at its border is not part of a match
