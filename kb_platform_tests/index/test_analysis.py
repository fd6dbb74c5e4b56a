"""Words, numbers and units are found however they are written, in the languages that the platform knows and in scripts without blanks."""

import pytest

from kb_platform.index.analysis.analyzers import ANALYZERS, analyzer_for, places

SAME = [
    ("500mg", "500 mg"), ("500-mg", "500 mg"), ("500 milligrams", "500mg"), ("500\u00a0mg", "500 mg"), ("500\u2009MG", "500 mg"),
    ("48h", "48 h"), ("48 hours", "48h"), ("48-hour", "48 hrs"), ("48 Stunden", "48 h"), ("48 heures", "48 h"), ("7 days", "7d"), ("5 jours", "5 days"),
    ("4,000 units", "4000 units"), ("4\u2009000 units", "4000 units"), ("4\u202f000 IU", "4000 U"), ("4\u00a0000 UI", "4000 IE"), ("4'000", "4000"),
    ("4\u2019000", "4000"), ("1,234,567", "1234567"), ("1,234.5", "1234.5"), (".5 mg", "0.5 mg"), ("0.50 mg", "0.5 mg"), ("5.0 mg", "5 mg"), ("0\u00b75 mg", "0.5 mg"),
    ("0,5 mg", "0.5 mg"), ("5\u201310 mg", "5-10 mg"), ("5 to 10 mg", "5-10 mg"), ("5 mg to 10 mg", "5-10mg"), ("between 5 and 10 mg", "5 to 10 mg"),
    ("5 \u2212 10 mg", "5-10 mg"), ("5 bis 10 mg", "5-10 mg"), ("50\u00b5g", "50 mcg"), ("50 \u03bcg", "50 micrograms"), ("50 ug", "50\u00b5g"),
    ("10\u2079/L", "10^9/L"), ("10*9/L", "10\u2079/l"), ("x10^9/L", "\u00d7 10\u2079/L"), ("4.5\u00d710\u2079/L", "4.5 x 10^9/L"), ("10\u207b\u2076", "10^-6"),
    ("0.9%", "0.9 %"), ("0.9 percent", "0.9%"), ("0.9 per cent", "0.9%"), ("38.5\u00b0C", "38.5 \u2103"), ("38.5 degrees Celsius", "38.5 \u00b0C"), ("38.5 \u00baC", "38.5\u00b0C"),
    ("5 mg/kg", "5mg/kg"), ("5 mg per kg", "5 mg/kg"), ("5 mg kg\u207b\u00b9", "5 mg/kg"), ("5 mg\u00b7kg\u207b\u00b9", "5 mg/kg"), ("75 mg/m\u00b2", "75 mg/m2"),
    ("120 / 80 mmHg", "120/80 mm Hg"), ("\u226565 years", ">65 years"), ("at least 65 years", "> 65 y"), ("under 5 years", "<5 years"), ("less than 5 years", "\u2264 5 years"),
    ("2x500 mg", "2 \u00d7 500mg"), ("1\u00bd mg", "1.5 mg"), ("\uff15\uff10\uff10 mg", "500 mg"), ("\u0e55 mg", "5 mg"), ("\u0665 mg", "5 mg"),
    ("\u03b2-blocker", "beta-blocker"), ("TNF\u03b1", "TNF-alpha"), ("\u03b1-methyldopa", "alpha methyldopa"), ("Ca\u00b2\u207a", "Ca2+"), ("CO\u2082", "CO2"),
    ("l'insuline", "insuline"), ("l\u2019insuline", "insuline"), ("d'eau", "eau"), ("Qu'insuline", "insuline"), ("dell'acqua", "acqua"), ("\u0153d\u00e8me", "oedeme"), ("S\u00f8rensen", "Sorensen"), ("\u0141\u00f3d\u017a", "Lodz"),
    ("\u0438\u0306", "\u0439"), ("\u064d\u0633\u064f\u0643\u0651\u0631\u064a", "\u0633\u0643\u0631\u064a"), ("\ub2f9\ub1e8", "\u1103\u1161\u11bc\u1102\u116d"),
]
"""Two spellings of one thing."""

DIFFERENT = [
    ("500 mg", "250 mg"), ("500 mg", "500 ml"), ("48 h", "48 days"), ("4,000 units", "4 units"), ("4.5 mg", "45 mg"), ("0.9%", "0.45%"), ("10\u2079/L", "109/L"),
    ("-5 mmol/L", "+5 mmol/L"), ("<5 years", ">5 years"), ("1:1000", "1:10,000"), ("5-10 mg", "510 mg"), ("1\u00bd mg", "11 mg"), ("50 \u00b5g", "50 mg"),
    ("E11.9", "E11.2"), ("5 mg/kg", "5 mg/day"), ("120/80", "80/120"), ("25 mg", "2.5 mg"), ("0.05 mg", "0.5 mg"), ("250\u00b2 mg", "2502 mg"), ("B12", "B6"),
]
"""Two things that must stay apart: neither spelling has all that a question for the other asks for."""


@pytest.mark.parametrize(("written", "asked"), SAME)
def test_spellings_of_one_thing_have_the_same_terms(written: str, asked: str) -> None:
    for language in ("english",) if "," in written else ("english", "french"):  # 4,000 is four in French
        assert found(written, asked, language) and found(asked, written, language)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_differs_costs_the_chunk_a_term(one: str, other: str) -> None:
    assert not found(one, other) and not found(other, one)


@pytest.mark.parametrize(("written", "asked"), [
    ("0.5 g", "500 mg"), ("1 L", "1000 ml"), ("7 days", "1 week"), ("24 h", "1 day"), ("0.25 mg", "250 mcg"), ("1.5 hours", "90 minutes"), ("2 mol", "2000 mmol"),
])
def test_an_amount_is_found_in_another_unit_of_its_scale(written: str, asked: str) -> None:
    assert {t for t in tokenize(asked, asked=True) if t[0].isdigit() and not t.replace(".", "").isdigit()} <= set(tokenize(written))


@pytest.mark.parametrize(("written", "asked", "language"), [
    ("CRP>100 mg/L or Hb<7 g/dL", "CRP >100 mg/L", "english"), ("Repeat after 24h/48h", "48 hours", "english"), ("give 5mg/kg q8h", "5 mg/kg 8 hours q8h", "english"),
    ("\u00bd tablet", "1/2 tablet", "english"), ("1/2 tablet", "0.5 tablet", "english"), ("pH7.4", "pH 7.4", "english"),
    ("coded E11.9", "E11", "english"), ("4.000 IE Heparin", "4000 IE", "german"), ("4.000 IE Heparin", "4000 IE", "english"), ("2 500 mg", "500 mg", "english"),
    ("1.234,5 mg", "1234.5 mg", "german"), ("2,5 mg", "2.5 mg", "german"), ("adrenaline 1:1,000", "1:1000", "english"), ("a BP of 120/80 mmHg", "120 mmHg", "english"),
])
def test_a_question_finds_each_reading_of_what_is_written(written: str, asked: str, language: str) -> None:
    assert found(written, asked, language)


@pytest.mark.parametrize(("written", "asked"), [
    ("Blutzuckermessung", "Blutzucker"), ("Blutzuckermessung", "Messung Zucker"), ("Krankenhausaufenthalt", "Krankenhaus"), ("Metformindosis", "Metformin"),
    ("Fr\u00fchst\u00fcck", "Fruehstueck"), ("Ma\u00dfnahme", "Massnahme"), ("Nierenfunktionsst\u00f6rung", "Nierenfunktion St\u00f6rung"), ("Entz\u00fcndungen", "Entz\u00fcndung"),
    ("Lithiumspiegel", "Spiegel"),
])
def test_german_compounds_are_found_by_their_parts(written: str, asked: str) -> None:
    assert found(written, asked, "german")


def test_words_that_are_no_compounds_are_left_whole() -> None:
    assert [tokenize(word, "german") for word in ("Patienten", "Apparat", "Temperatur", "Behandlung")] == [["patient"], ["apparat"], ["temperatur"], ["behandl"]]


@pytest.mark.parametrize(("written", "asked"), [
    ("\u7cd6\u5c3f\u75c5\u60a3\u8005\u6bcf\u5929\u9700\u8981\u76d1\u6d4b\u8840\u7cd6", "\u8840\u7cd6"), ("\u76d1\u6d4b\u8840\u7cd6", "\u8840"),
    ("\u30a4\u30f3\u30b9\u30ea\u30f3\u306e\u6295\u4e0e\u91cf", "\u30a4\u30f3\u30b9\u30ea\u30f3"), ("\u30a4\u30f3\u30b9\u30ea\u30f3\u306e\u6295\u4e0e\u91cf", "\u6295\u4e0e"),
    ("\u0e1c\u0e39\u0e49\u0e1b\u0e48\u0e27\u0e22\u0e04\u0e27\u0e23\u0e23\u0e31\u0e1a\u0e1b\u0e23\u0e30\u0e17\u0e32\u0e19\u0e22\u0e32\u0e2b\u0e25\u0e31\u0e07\u0e2d\u0e32\u0e2b\u0e32\u0e23", "\u0e22\u0e32\u0e2b\u0e25\u0e31\u0e07\u0e2d\u0e32\u0e2b\u0e32\u0e23"),
    ("\ub2f9\ub1e8\ubcd1 \ud658\uc790\ub294", "\ud658\uc790"), ("500\u6beb\u514b", "500"), ("COVID\u80ba\u708e", "covid \u80ba\u708e"), ("\u092e\u0927\u0941\u092e\u0947\u0939 \u0915\u093e", "\u092e\u0927\u0941\u092e\u0947\u0939"),
])
def test_scripts_without_blanks_are_found_wherever_the_question_stands_in_the_text(written: str, asked: str) -> None:
    assert found(written, asked)


def test_characters_in_another_order_are_another_word() -> None:
    assert not found("\u7cd6\u8840", "\u8840\u7cd6")
    assert tokenize("\u092e\u0927\u0941\u092e\u0947\u0939") == ["\u092e\u0927\u0941\u092e\u0947\u0939"]


@pytest.mark.parametrize(("text", "language"), [
    ("Die Blutzuckermessung erfolgt vor dem Fr\u00fchst\u00fcck.", "german"), ("L'insuline se conserve au r\u00e9frig\u00e9rateur.", "french"),
    ("La dosis de paracetamol es de 500 mg cada ocho horas.", "spanish"), ("Insuline wordt bewaard in de koelkast.", "dutch"),
    ("Il farmaco si prende dopo i pasti con un bicchiere d'acqua.", "italian"), ("A insulina n\u00e3o deve ser congelada nem aquecida pelo doente.", "portuguese"),
    ("Insulinet ska inte frysas och f\u00f6rvaras i kylsk\u00e5p.", "swedish"), ("Amoxicillin 500mg capsules are kept in the second drawer.", "english"),
    ("Labs", "english"), ("", "english"), ("\u7cd6\u5c3f\u75c5\u60a3\u8005\u6bcf\u5929", "english"), ("Enterobacter cloacae in vivo, de novo", "english"),
])
def test_a_document_is_read_in_its_own_language(text: str, language: str) -> None:
    assert analyzer_for("auto", text) is ANALYZERS[language]


def test_a_source_that_names_an_analyzer_gets_it_whatever_its_texts_say() -> None:
    assert analyzer_for("french", "These are English words about the dose.") is ANALYZERS["french"]
    assert tokenize("the doses", "plain") == ["the", "doses"]


def found(written: str, asked: str, language: str = "english") -> bool:
    """Tell whether a text has every term that a question asks for."""
    terms = set(tokenize(asked, language, asked=True))
    return bool(terms) and terms <= set(tokenize(written, language))


def tokenize(text: str, language: str = "english", *, asked: bool = False) -> list[str]:
    """Return all tokens of a text."""
    return [token for place in places(text, language, asked=asked) for token in place]
