"""Which effect a decision has: every kind and every end has exactly one, and each is known to the database and to the reviewer."""

import pytest

from kb_contracts.decisions import Verdict
from kb_contracts.outcomes import STATUS_OF, Status
from kb_platform.knowledge.review_cases import CaseKind
from kb_platform.knowledge.reviews import CHOICES, EFFECTS, UNDECIDED, Effect, decide_effect
from kb_platform_tests.storage.made_releases import MadeReleases
from kb_platform_tests.storage.made_reviews import end


@pytest.mark.parametrize("kind", list(CaseKind))
def test_every_end_of_every_kind_has_an_effect_and_every_answer_is_explained(kind: CaseKind) -> None:
    assert {s.value for s in Status} == set(EFFECTS[kind]) | set(UNDECIDED)
    assert {STATUS_OF[v].value for v in Verdict} == set(EFFECTS[kind])
    assert {v.value for v in Verdict} == set(CHOICES[kind])


def test_the_database_knows_every_effect_and_every_kind(releases: MadeReleases) -> None:
    with releases.database.transaction("owner") as c:
        rules = " ".join(row[0] for row in c.execute("select pg_get_constraintdef(oid) from pg_constraint where conrelid in "
                                                     "('review_outcome'::regclass, 'review_case'::regclass) and contype = 'c'"))
    for value in (*Effect, *CaseKind, *Status):
        assert f"'{value.value}'" in rules, value


def test_a_decision_about_another_opening_changes_nothing() -> None:
    from types import SimpleNamespace

    case = SimpleNamespace(digest=b"")
    for status in Status:
        assert decide_effect(CaseKind.WAIVER, end(case, "r", status.value), current=False) == (Effect.NONE, None)  # pyright: ignore[reportArgumentType]
