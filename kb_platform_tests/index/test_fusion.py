"""One score out of two: what decides when words and meaning disagree."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from kb_platform.index.analysis.analyzers import ANALYZERS
from kb_platform.index.fusion import Candidate, FusionParameters, best_by_document, fuse, fused_score, lookup_terms
from kb_platform.index.lexical import question_terms, weigh_document, weigh_question
from kb_platform.knowledge.errors import ConfigError

SHARES = st.floats(0, 1)
COSINES = st.floats(-1, 1)
CANDIDATES = st.lists(st.builds(Candidate, st.integers(1, 50), COSINES, SHARES), max_size=30, unique_by=lambda c: c.chunk_id)


def test_all_weight_on_one_leg_gives_that_legs_order() -> None:
    found = [Candidate(1, 0.9, 0.1), Candidate(2, 0.2, 0.8), Candidate(3, 0.5, 0.5)]
    assert [i for i, _ in fuse(found, FusionParameters(dense_weight=1.0))] == [1, 3, 2]
    assert [i for i, _ in fuse(found, FusionParameters(dense_weight=0.0))] == [2, 3, 1]


def test_a_chunk_with_every_word_of_the_question_wins_over_a_nearer_vector() -> None:
    assert fuse([Candidate(1, 0.62, 0.15), Candidate(2, 0.45, 0.7)])[0][0] == 2


def test_where_the_words_are_unknown_the_nearer_vector_wins_over_a_stray_word() -> None:
    assert fuse([Candidate(1, 0.62, 0.0), Candidate(2, 0.45, 0.15)])[0][0] == 1


def test_without_any_lexical_score_the_order_is_that_of_the_cosines() -> None:
    assert [i for i, _ in fuse([Candidate(1, 0.1, 0), Candidate(2, -0.2, 0), Candidate(3, 0.4, 0)])] == [3, 1, 2]


def test_ties_go_to_the_lower_id() -> None:
    assert [i for i, _ in fuse([Candidate(9, 0.5, 0.5), Candidate(2, 0.5, 0.5)])] == [2, 9]


@given(CANDIDATES)
def test_the_order_of_the_candidates_does_not_matter(found: list[Candidate]) -> None:
    assert fuse(found) == fuse(found[::-1])


@given(CANDIDATES, st.builds(Candidate, st.just(99), COSINES, SHARES))
def test_another_candidate_changes_no_score_and_no_order_of_the_rest(found: list[Candidate], other: Candidate) -> None:
    assert [pair for pair in fuse([*found, other]) if pair[0] != 99] == fuse(found)


@given(COSINES, SHARES, st.floats(0, 0.5), SHARES)
def test_a_better_score_in_one_leg_never_hurts(dense: float, lexical: float, more: float, weight: float) -> None:
    params = FusionParameters(dense_weight=weight)
    assert fused_score(dense + more, lexical, params) >= fused_score(dense, lexical, params)
    assert fused_score(dense, lexical + more, params) >= fused_score(dense, lexical, params)


def test_candidates_are_looked_up_by_the_rarest_terms_within_the_budget() -> None:
    params = FusionParameters(lookup_rows=100)
    assert lookup_terms({1: 60, 2: 5, 3: 90, 4: 0}, params) == [2, 1]
    assert lookup_terms({1: 5000, 3: 9000}, params) == [1]
    assert lookup_terms({4: 0}, params) == lookup_terms({}, params) == []


@given(st.dictionaries(st.integers(1, 1000), st.integers(0, 500)), st.integers(1, 1000))
def test_the_lookup_keeps_to_its_budget_unless_one_term_alone_exceeds_it(df: dict[int, int], rows: int) -> None:
    chosen = lookup_terms(df, FusionParameters(lookup_rows=rows))
    assert len(chosen) == 1 or sum(df[term] for term in chosen) <= rows
    assert bool(chosen) == any(df.values())


def test_documents_are_ranked_by_their_best_chunk() -> None:
    assert best_by_document([(3, 0.9), (1, 0.8), (2, 0.7)], {1: "b", 2: "a", 3: "a"}) == [("a", 0.9), ("b", 0.8)]


def test_settings_override_the_defaults() -> None:
    params = FusionParameters.from_settings({"dense_weight": 0.4, "depth": 50.0})
    assert params == FusionParameters(dense_weight=0.4, depth=50) and isinstance(params.depth, int)
    assert FusionParameters.from_settings({}) == FusionParameters()


@pytest.mark.parametrize("settings", [
    {"dense_weight": 1.1}, {"dense_weight": -0.1}, {"dense_weight": float("nan")}, {"depth": 0}, {"depth": 2.5},
    {"lookup_rows": -1}, {"lookup_rows": float("inf")}, {"alpha": 0.5},
])
def test_a_setting_out_of_range_is_refused_by_name(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        FusionParameters.from_settings(settings)


def test_a_declared_synonym_makes_its_document_win_although_its_vector_is_further_away() -> None:
    chunks = {1: {"title": "Urinary tract infection", "body": "Send a urine sample first."},
              2: {"title": "Sepsis", "body": "Call the rapid response team."},
              3: {"title": "Visitors", "body": "Two visitors at a time."}}
    cosines = {1: 0.35, 2: 0.55, 3: 0.05}
    undeclared = fuse(scored(chunks, cosines, "What is cystitis ?"))
    chunks[1]["metadata"] = "Cystitis\nUTI"
    declared = fuse(scored(chunks, cosines, "What is cystitis ?"))
    assert undeclared[0][0] == 2 and declared[0][0] == 1


def scored(chunks: dict[int, dict[str, str]], cosines: dict[int, float], question: str) -> list[Candidate]:
    weighed = {chunk_id: dict(zip(*weigh_document(fields, ANALYZERS["english"]), strict=True)) for chunk_id, fields in chunks.items()}
    df = {term: sum(term in chunk for chunk in weighed.values()) for term in (ANALYZERS["english"].term_id("cystiti"), *question_terms(question, ANALYZERS["english"]))}
    weights = weigh_question(question_terms(question, ANALYZERS["english"]), df, len(chunks)).weights
    return [Candidate(chunk_id, cosines[chunk_id], sum(w * chunk.get(term, 0) for term, w in weights.items()))
            for chunk_id, chunk in weighed.items()]
