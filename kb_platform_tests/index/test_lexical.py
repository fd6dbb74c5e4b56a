"""Terms and BM25F weights: what a question and a chunk share, and how much it counts."""

import math
import random
import string
import subprocess
import sys
from dataclasses import replace

import bm25s
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from kb_platform.index.analysis.analyzers import ANALYZERS, BEFORE, TERM_SPACE, places, term_id
from kb_platform.index.analysis.languages import LANGUAGES
from kb_platform.index.lexical import (
    DEFAULTS,
    LEXICAL_VERSION,
    Field,
    LexicalParameters,
    chunk_fields,
    inverse_frequency,
    question_terms,
    weigh_document,
    weigh_question,
)
from kb_platform.knowledge.documents import Chunk, Document

ENGLISH = ANALYZERS["english"]
WORDS = ["ward", "nurse", "blood", "pump", "alarm", "dose", "insulin", "leave", "rota", "scanner", "badge", "fever", "wound"]
PLAIN = LexicalParameters(k1=1.2, body=Field(boost=1.0, b=0.75, average=1.0))


@pytest.mark.parametrize(("written", "asked"), [
    ("Discharges", "discharge"),
    ("Crohn\u2019s disease", "crohn's DISEASE"),
    ("na\u00efve caf\u00e9", "naive cafe"),
    ("Ca\u00b2\u207a", "ca2"),
    ("Stra\u00dfe", "STRASSE"),
    ("soft\u00adware", "software"),
    ("follow\u2011up", "follow-up"),
    ("U.S. rules", "US rule"),
    ("\ufb01ever", "fiever"),
])
def test_spellings_of_one_word_are_one_term(written: str, asked: str) -> None:
    assert tokenize(written) == tokenize(asked) != []


@pytest.mark.parametrize("written", ["PH-114", "PH 114", "PH114", "ph-114", "PH/114", "PH\u2013114"])
def test_a_code_is_found_however_it_is_spaced(written: str) -> None:
    assert {"ph", "114"} <= set(tokenize(written)) and {"ph", "114"} <= set(tokenize(written, asked=True))


def test_a_code_written_in_one_piece_also_matches_as_a_whole() -> None:
    assert "ph114" in tokenize("PH-114") and "ph114" in tokenize("ph114")
    assert "1010ez" in tokenize("Form 10-10EZ") and "1010ez" in tokenize("form 1010ez")
    assert "ph114" not in tokenize("PH 114")


def test_a_decimal_number_stays_one_term() -> None:
    assert tokenize("45 CFR 164.512(b)", asked=True) == ["45", "cfr", "164.512", "b"]


def test_stop_words_are_no_terms_but_capitals_make_them_names() -> None:
    assert tokenize("Who is on the or?") == []
    assert tokenize("WHO guideline for the OR") == ["guidelin", "who", "or"]
    assert "a" in tokenize("hepatitis A") and "a" not in tokenize("A nurse has a badge")
    assert tokenize("WHAT TO DO IN A FIRE") == ["fire"]


def test_encoded_data_is_not_a_word() -> None:
    assert tokenize("x" * 500) == []


@given(st.text())
def test_any_text_gives_tokens_that_have_valid_ids(text: str) -> None:
    tokens = tokenize(text)
    assert all(tokens) and all(1 <= term_id(token) <= TERM_SPACE for token in tokens)


@given(st.lists(st.text(string.ascii_letters + string.digits + "-'. ", max_size=30)))
def test_lines_are_tokenized_independently_of_each_other(lines: list[str]) -> None:
    lines = [f"{line} x" for line in lines]  # so that no line is wholly in capitals
    assert sorted(tokenize("\n,".join(lines))) == sorted(token for line in lines for token in tokenize(line))


def test_term_ids_do_not_depend_on_the_process() -> None:
    code = "from kb_platform.index.analysis.analyzers import term_id; print(term_id('insulin'))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"})
    assert int(other.stdout) == term_id("insulin")


def test_weights_are_sorted_by_term_and_lie_between_zero_and_one() -> None:
    terms, weights = weigh_document({"title": "Insulin pump", "body": "The pump alarm. The pump stops. " * 20}, ENGLISH)
    assert terms == sorted({ENGLISH.mark} | {ENGLISH.term_id(t) for t in ("insulin", "pump", "alarm", "stop")})
    assert all(0 < weight < 1 for term, weight in zip(terms, weights, strict=True) if term != ENGLISH.mark)


def test_a_blank_chunk_has_no_term_but_its_analyzers_mark() -> None:
    assert weigh_document({"title": "", "body": " the of "}, ENGLISH) == ([ENGLISH.mark], [1.0])
    assert weigh_document({"title": "", "body": " the of "}, BEFORE) == ([], [])


def test_terms_of_two_analyzers_never_meet() -> None:
    marks = {analyzer.mark for analyzer in ANALYZERS.values()}
    assert len(marks) == len(ANALYZERS) == len(LANGUAGES)
    ids = {analyzer.term_id("insulin") for analyzer in (*ANALYZERS.values(), BEFORE)}
    assert len(ids) == len(ANALYZERS) + 1 and not ids & marks


def test_a_word_counts_more_in_the_title_than_in_the_body() -> None:
    in_title, in_body = weight_of("insulin", title="Insulin", body="dose"), weight_of("insulin", title="Dose", body="insulin")
    assert in_title > in_body


def test_a_second_occurrence_counts_less_than_the_first() -> None:
    once, twice, thrice = (weight_of("pump", body="pump " * n + "alarm " * (9 - n)) for n in (1, 2, 3))
    assert once < twice < thrice and thrice - twice < twice - once


def test_a_word_in_a_long_field_counts_less() -> None:
    assert weight_of("pump", body="pump alarm") > weight_of("pump", body="pump " + "alarm " * 300)


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(AttributeError):
        weigh_document({"subtitle": "pump"}, ENGLISH)


def test_changed_parameters_change_the_fingerprint() -> None:
    assert DEFAULTS.fingerprint == LEXICAL_VERSION
    assert replace(DEFAULTS, k1=1.0).fingerprint != LEXICAL_VERSION
    assert replace(DEFAULTS, body=replace(DEFAULTS.body, b=0.3)).fingerprint != LEXICAL_VERSION


def test_the_fields_of_a_chunk_are_title_headings_declared_metadata_and_content() -> None:
    document = Document("d1", "Leave  policy", "", {"synonyms": ["PTO", "time off"], "code": "HR-7", "owner": "HR"})
    chunk = Chunk(0, 0, 4, "Ask.", "Leave policy > Carers > Notice\nPTO; time off")
    assert chunk_fields(document, chunk, ("synonyms", "code", "missing")) == {
        "title": "Leave policy", "heading": " > Carers > Notice", "metadata": "PTO\ntime off\nHR-7", "body": "Ask."}


def test_a_rare_word_weighs_more_than_a_common_one_and_an_unknown_one_lowers_all_scores() -> None:
    known = weigh_question({1: 1, 2: 1}, {1: 2, 2: 900}, 1000)
    assert known.weights[1] > known.weights[2] > 0 and sum(known.weights.values()) == pytest.approx(1)
    with_unknown = weigh_question({1: 1, 2: 1, 3: 1}, {1: 2, 2: 900}, 1000)
    assert with_unknown.weights.keys() == {1, 2} and with_unknown.weights[1] < known.weights[1]
    assert with_unknown.weights[1] * with_unknown.ceiling == pytest.approx(known.weights[1] * known.ceiling)


def test_a_question_of_stop_words_weighs_nothing() -> None:
    assert question_terms("what is this?", ENGLISH) == {}
    assert weigh_question({}, {}, 10).weights == {}


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_idf_is_positive_and_falls_with_the_document_frequency(df: int, more: int) -> None:
    chunks = df + more
    assert inverse_frequency(df, chunks) > 0
    assert inverse_frequency(df, chunks + 1) >= inverse_frequency(min(df + 1, chunks + 1), chunks + 1)


@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=30), min_size=1, max_size=8),
       st.lists(st.sampled_from(WORDS), max_size=6))
def test_no_chunk_scores_above_the_questions_ceiling(bodies: list[list[str]], asked: list[str]) -> None:
    scores = scores_of([" ".join(body) for body in bodies], " ".join(asked), DEFAULTS)
    assert all(0 <= score < 1 for score in scores)


def test_one_field_ranks_as_bm25s_does() -> None:
    pick = random.Random(4)
    bodies = [" ".join(pick.choices(WORDS, k=pick.randint(3, 40))) for _ in range(60)]
    average = float(np.mean([len(places(body)) for body in bodies]))
    params = replace(PLAIN, body=replace(PLAIN.body, average=average))
    peer = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    peer.index([tokenize(body) for body in bodies], show_progress=False)
    for _ in range(20):
        question = " ".join(pick.sample(WORDS, 3))
        expected = peer.get_scores(tokenize(question))
        ours = np.array(scores_of(bodies, question, params))
        scale = expected.max() / ours.max()
        assert np.allclose(ours * scale, expected, rtol=1e-4, atol=1e-5)
        assert scale == pytest.approx(ceiling_of(bodies, question), rel=1e-4)


def test_stop_words_inside_compounds_are_left_out_too() -> None:
    for language in LANGUAGES.values():
        assert not language.stop_words & set(tokenize(" ".join(f"{word}-{word}" for word in language.stop_words), language.name))


def weight_of(token: str, **fields: str) -> float:
    terms, weights = weigh_document(fields, ENGLISH)
    return weights[terms.index(ENGLISH.term_id(token))]


def scores_of(bodies: list[str], question: str, params: LexicalParameters) -> list[float]:
    chunks = [dict(zip(*weigh_document({"body": body}, ENGLISH, params), strict=True)) for body in bodies]
    weighed = weigh_question(question_terms(question, ENGLISH), frequencies(bodies), len(bodies))
    return [math.fsum(weight * chunk.get(term, 0.0) for term, weight in weighed.weights.items()) for chunk in chunks]


def ceiling_of(bodies: list[str], question: str) -> float:
    return weigh_question(question_terms(question, ENGLISH), frequencies(bodies), len(bodies)).ceiling


def frequencies(bodies: list[str]) -> dict[int, int]:
    df: dict[int, int] = {}
    for body in bodies:
        for term in weigh_document({"body": body}, ENGLISH)[0]:
            df[term] = df.get(term, 0) + 1
    return df


def tokenize(text: str, language: str = "english", *, asked: bool = False) -> list[str]:
    """Return all tokens of a text."""
    return [token for place in places(text, language, asked=asked) for token in place]
