"""What makes a golden set say less than it seems to is said, each in one sentence."""

from kb_platform.quality.comparability import comparable, why_not_comparable
from kb_platform.quality.golden import ExpectedPassage, Golden
from kb_platform.quality.golden_check import check_goldens
from kb_platform.quality.passages import PassageState, resolve_goldens
from kb_platform_tests.quality.builders import reading, texts

QUOTE = "Quiet hours on the ward begin at nine in the evening."


def golden(name: str, question: str, *passages: ExpectedPassage) -> Golden:
    return Golden(name, question, passages or (ExpectedPassage("ward", QUOTE),))


def check(*goldens: Golden, **documents: str) -> list[tuple[str, str, str]]:
    read = reading(texts(**documents))
    return [(w.golden, w.code, w.message) for w in check_goldens(goldens, resolve_goldens(goldens, read), read)]


def test_a_set_that_is_sound_gives_no_warning() -> None:
    assert check(golden("a", "When is it quiet?"), golden("b", "Since when is there silence?"), ward=QUOTE) == []


def test_a_question_that_is_asked_twice_is_named_with_the_first() -> None:
    found = check(golden("a", "When is it quiet?"), golden("b", "  when is it\nQUIET ?"), ward=QUOTE)
    assert found == [("b", "duplicate", "asks the same as a: it counts twice")]


def test_a_question_that_stands_in_its_document_is_a_leak() -> None:
    ward = f"# When is it quiet on the ward?\n{QUOTE}"
    assert check(golden("a", "When is it quiet on the ward?"), ward=ward) == [
        ("a", "leak", "its question stands word for word in 'ward'")
    ]
    assert check(golden("a", "When is it quiet on the ward?"), ward=QUOTE, other=ward) == []
    assert check(golden("a", "Is it quiet?"), ward=f"Is it quiet? {QUOTE}") == [], "three words stand anywhere"


def test_stale_goldens_say_what_became_of_their_passages() -> None:
    goldens = (
        golden("changed", "Since when?"), golden("gone", "What?", ExpectedPassage("ward", "never written at all by anyone")),
        golden("half", "Which?", ExpectedPassage("ward", "Intro. And"), ExpectedPassage("nosuch", None)),
        golden("whole", "Where?", ExpectedPassage("nosuch", None)),
    )  # fmt: skip
    assert check(*goldens, ward="Intro. And " + QUOTE.replace("nine", "ten")) == [
        ("changed", "stale", "is stale (changed): ward:11-62 has 91% of the quote's words"),
        ("gone", "stale", "is stale (deleted): the quote is not in 'ward', nor elsewhere"),
        ("half", "partly_stale", "has lost 1 of 2 passages: there is no document 'nosuch'"),
        ("whole", "stale", "is stale (deleted): there is no document 'nosuch'"),
    ]


def test_a_whole_document_is_present_as_long_as_it_is_there_whatever_it_says() -> None:
    whole = golden("a", "Q?", ExpectedPassage("ward", None))
    for text in ("one thing", "another"):
        (passage,) = resolve_goldens([whole], reading(texts(ward=text)))["a"]
        assert passage.state is PassageState.PRESENT
        assert (passage.locations[0].start, passage.locations[0].end) == (0, len(text))


def test_reports_of_other_goldens_or_measures_are_not_comparable() -> None:
    report = {"golden_hash": "a" * 64, "primary": "Success@5"}
    assert comparable(report, dict(report))
    assert why_not_comparable(report, report | {"golden_hash": "b" * 64}) == (
        "not comparable: other golden queries (aaaaaaaaaaaa and bbbbbbbbbbbb)"
    )
    assert not comparable(report, report | {"primary": "R@10"})
    assert why_not_comparable(report, {}) == "not comparable: a report without golden queries"
