"""The outbox of review cases: what is in it, when, and how often."""

import psycopg
import pytest

from kb_platform.cli import session
from kb_platform.knowledge.review_cases import CaseKind, ReviewCase
from kb_platform.storage.database import Database
from kb_platform.storage.gates import GateResult, record_gate
from kb_platform.storage.releases import discard, seal
from kb_platform.storage.review_cases import list_cases, raise_cases, replace_cases
from kb_platform.storage.review_ledger import backlog, cases_to_start, mark_withdrawn, reviews_to_withdraw
from kb_platform.storage.review_outcomes import apply_end
from kb_platform_tests.storage.made_releases import INTEGRITY, MadeReleases, sha
from kb_platform_tests.storage.made_reviews import end, open_case, start

STATES = ("open", "superseded", "withdrawn", "decided")


def stale(golden: str, digest: str) -> ReviewCase:
    return ReviewCase(CaseKind.STALE_GOLDEN, golden, sha(digest), {"golden": golden})


def states(database: Database, subject: str) -> list[tuple[str, bytes]]:
    return [(case.state, case.digest) for case in list_cases(database, STATES) if case.subject == subject]


def replace(database: Database, *cases: ReviewCase) -> None:
    with database.transaction("gate") as c:
        replace_cases(c, CaseKind.STALE_GOLDEN, cases, None)


def inconclusive(releases: MadeReleases, release: int, verdict: str = "inconclusive") -> bytes:
    digest = seal(releases.database, release, (*INTEGRITY, "churn"))
    case = ReviewCase(CaseKind.CHURN_OVER_LIMIT, "churn", digest, {"metric": 0.5})
    cases = {CaseKind.CHURN_OVER_LIMIT: [case] if verdict == "inconclusive" else []}
    record_gate(releases.database, release, digest, GateResult("churn", verdict == "pass", verdict, 0.5, 0.15, {}, cases=cases), "run")
    return digest


def test_a_case_is_there_once_however_often_it_is_found(releases: MadeReleases) -> None:
    for _ in range(3):
        replace(releases.database, stale("once", "x"))
    assert states(releases.database, "once") == [("open", sha("x"))]


def test_another_digest_of_the_same_subject_supersedes_the_open_case(releases: MadeReleases) -> None:
    replace(releases.database, stale("moved", "x"))
    replace(releases.database, stale("moved", "y"))
    assert states(releases.database, "moved") == [("superseded", sha("x")), ("open", sha("y"))]
    replace(releases.database, stale("moved", "x"))
    assert states(releases.database, "moved") == [("open", sha("x")), ("superseded", sha("y"))]


def test_a_case_whose_reason_has_gone_is_withdrawn_and_opened_again_when_it_comes_back(releases: MadeReleases) -> None:
    replace(releases.database, stale("gone", "x"), stale("other", "x"))
    replace(releases.database, stale("other", "x"))
    assert states(releases.database, "gone") == [("withdrawn", sha("x"))]
    assert states(releases.database, "other") == [("open", sha("x"))]
    replace(releases.database, stale("gone", "x"))
    assert states(releases.database, "gone") == [("open", sha("x"))]


def test_a_decided_case_is_not_asked_again(releases: MadeReleases) -> None:
    replace(releases.database, stale("decided", "x"))
    case = open_case(releases.database, "decided")
    apply_end(releases.database, end(case, start(releases.database, case)))
    replace(releases.database, stale("decided", "x"))
    assert states(releases.database, "decided") == [("decided", sha("x"))]
    with pytest.raises(psycopg.errors.CheckViolation), releases.database.transaction("gate") as c:
        c.execute("update review_case set state = 'open' where subject = 'decided'")


def test_the_service_is_told_of_what_is_open_and_of_the_end_of_what_it_knows() -> None:
    database = session.store("told").database  # in which no other test leaves a case
    replace(database, stale("told", "1"), stale("untold", "1"))
    assert [case.subject for case in cases_to_start(database, 10)] == ["told", "untold"]
    review = start(database, open_case(database, "told"))
    assert [case.subject for case in cases_to_start(database, 10)] == ["untold"]
    waiting = backlog(database)
    assert (waiting.open, waiting.untold, waiting.in_review, waiting.oldest_untold_seconds > 0) == (2, 1, 1, True)
    replace(database)
    assert [(r.review_id, r.state, r.newer) for r in reviews_to_withdraw(database, 10)] == [(review, "withdrawn", None)]
    assert not cases_to_start(database, 10), "untold ended before anyone heard of it"
    replace(database, stale("told", "1"))
    assert [case.subject for case in cases_to_start(database, 10)] == ["told"], "opened again, it is another review"
    newer = start(database, open_case(database, "told"))
    assert [(r.review_id, r.newer) for r in reviews_to_withdraw(database, 10)] == [(review, newer)]
    mark_withdrawn(database, review)
    assert not reviews_to_withdraw(database, 10)


def test_an_inconclusive_verdict_and_its_case_are_stored_together_or_not_at_all(releases: MadeReleases) -> None:
    database, release = releases.database, releases.apply({"a": "one"})
    digest = seal(database, release, (*INTEGRITY, "churn"))
    broken = ReviewCase(CaseKind.CHURN_OVER_LIMIT, "churn", digest, {"nul": "\x00"})  # jsonb refuses it
    with pytest.raises(psycopg.Error):
        record_gate(database, release, digest, GateResult("churn", False, "inconclusive", 0.5, 0.15, {},
                                                          cases={CaseKind.CHURN_OVER_LIMIT: [broken]}), "run")
    with database.transaction("gate") as c:
        assert not c.execute("select 1 from gate_result where gate = 'churn' and content_digest = %s", (digest,)).fetchall()
    assert ("open", digest) not in states(database, "churn")
    assert inconclusive(releases, release) == digest
    assert states(database, "churn").count(("open", digest)) == 1


def test_a_verdict_that_has_passed_since_withdraws_its_case(releases: MadeReleases) -> None:
    release = releases.apply({"a": "passes"})
    digest = inconclusive(releases, release)
    inconclusive(releases, release, "pass")
    assert ("withdrawn", digest) in states(releases.database, "churn")


@pytest.mark.parametrize("void", ["opened again", "discarded"])
def test_a_void_verdict_leaves_no_open_case(releases: MadeReleases, void: str) -> None:
    release = releases.apply({"a": void})
    digest = inconclusive(releases, release)
    assert states(releases.database, "churn")[-1] == ("open", digest)
    if void == "discarded":
        discard(releases.database, release)
    else:
        releases.apply({"b": "more"})
    assert states(releases.database, "churn")[-1] == ("withdrawn", digest)


def test_a_document_that_cannot_be_parsed_is_a_case_until_it_comes_whole_or_goes(releases: MadeReleases) -> None:
    releases.apply({}, failed={"scan.pdf": "bad bytes", "other.pdf": "worse bytes"})
    assert states(releases.database, "docs/scan.pdf") == [("open", sha("bad bytes"))]
    releases.apply({}, failed={"scan.pdf": "bad in another way"})
    assert states(releases.database, "docs/scan.pdf") == [("superseded", sha("bad bytes")), ("open", sha("bad in another way"))]
    releases.apply({"scan.pdf": "now it is text", "other.pdf": None})
    assert states(releases.database, "docs/scan.pdf")[-1][0] == "withdrawn"
    assert states(releases.database, "docs/other.pdf") == [("withdrawn", sha("worse bytes"))]


@pytest.mark.parametrize("role", ["reader", "promoter"])
def test_roles_that_find_nothing_cannot_raise_a_case(releases: MadeReleases, role) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), releases.database.transaction(role) as c:
        raise_cases(c, [stale("x", "x")], None)
