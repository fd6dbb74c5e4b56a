"""What decisions let pass, and what not: for exactly the content, the goldens and the verdict that were reviewed, once, by two people."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from kb_platform.knowledge.errors import GateRefusal, StateError
from kb_platform.knowledge.review_cases import CaseKind, ReviewCase, verdict_digest
from kb_platform.release.waivers import ask_for_waiver
from kb_platform.storage.gates import GateResult, gate_results, record_gate
from kb_platform.storage.releases import discard, get_release, live_release, promote, seal
from kb_platform.storage.reports import past_releases
from kb_platform.storage.review_cases import list_cases, raise_cases, reopen_case
from kb_platform.storage.review_ledger import backlog, reviews_to_withdraw, unfinished_reviews
from kb_platform.storage.review_outcomes import acceptances, apply_end, outcomes
from kb_platform_tests.storage.made_releases import INTEGRITY, RUNS, MadeReleases
from kb_platform_tests.storage.made_reviews import end, open_case, start

GOLDENS, OTHER_GOLDENS = "ab" * 32, "cd" * 32
GATE = "golden_retrieval"
NUMBERS = iter(range(1000))


def judge(releases: MadeReleases, release: int, verdict: str, goldens: str = GOLDENS, gate: str = GATE) -> bytes:
    database = releases.database
    digest, run = seal(database, release, (*INTEGRITY, GATE)), f"run {next(RUNS)}"
    for name in INTEGRITY:
        record_gate(database, release, digest, GateResult(name, True, "pass", 1.0, 1.0, {}), run)
    case = ReviewCase(CaseKind.INCONCLUSIVE_VERDICT, gate, verdict_digest(digest, goldens), {})
    cases = {CaseKind.INCONCLUSIVE_VERDICT: [case] if verdict == "inconclusive" else []}
    record_gate(database, release, digest, GateResult(gate, verdict == "pass", verdict, 0.5, 0.9, {}, goldens, cases), run)
    return digest


@pytest.fixture
def candidate(releases: MadeReleases) -> Iterator[int]:
    """Yield a candidate of its own."""
    release = releases.apply({"a": f"text {next(NUMBERS)}"})
    yield release
    if get_release(releases.database, release).status in ("building", "sealed"):
        discard(releases.database, release)


def test_an_approved_inconclusive_verdict_counts_as_passed_and_is_on_record(releases: MadeReleases, candidate: int) -> None:
    database = releases.database
    judge(releases, candidate, "inconclusive")
    with pytest.raises(GateRefusal, match="gates not passed: golden_retrieval"):
        promote(database, candidate)
    case = open_case(database, GATE)
    review = start(database, case)
    applied = apply_end(database, end(case, review))
    assert applied is not None
    assert (applied.effect, applied.release) == ("accepted", candidate)
    judge(releases, candidate, "inconclusive")  # judged again alike, nobody is asked again
    assert not [c for c in list_cases(database, ("open",)) if c.subject == GATE]
    assert [(r.gate, r.verdict, r.passed, r.accepted_by) for r in gate_results(database, candidate) if r.gate == GATE] == [
        (GATE, "inconclusive", False, "dr.reviewer")]
    promote(database, candidate)
    assert live_release(database) == candidate
    assert [(a.gate, a.verdict, a.reviewer, a.reason, a.review_id) for a in acceptances(database) if a.release == candidate] == [
        (GATE, "inconclusive", "dr.reviewer", "seen", review)]


@pytest.mark.parametrize(("status", "effect", "state"), [
    ("rejected", "blocked", "decided"), ("changes_requested", "blocked", "decided"), ("expired_unreviewed", "asked_again_later", "expired"),
    ("withdrawn", "asked_again_later", "cancelled"), ("cancelled", "asked_again_later", "cancelled")])
def test_any_other_end_leaves_the_candidate_blocked_and_says_so(releases: MadeReleases, candidate: int, status: str, effect: str, state: str) -> None:
    database = releases.database
    judge(releases, candidate, "inconclusive")
    case, undecided = open_case(database, GATE), backlog(database).undecided
    applied = apply_end(database, end(case, start(database, case), status))
    assert applied is not None
    assert applied.effect == effect
    assert {c.state for c in list_cases(database, ("open", "decided", "expired", "cancelled")) if c.case_id == case.case_id} == {state}
    assert not get_release(database, candidate).promotable
    if state == "decided":
        assert not reopen_case(database, case.case_id)
    else:
        assert backlog(database).undecided == undecided + 1
        assert reopen_case(database, case.case_id)
        again = open_case(database, GATE)
        assert again.changed_at > case.changed_at, "another opening is another review"
        assert start(database, again) in unfinished_reviews(database)


def test_a_decision_has_its_effect_once_however_often_and_by_how_many_it_is_applied(releases: MadeReleases, candidate: int) -> None:
    database = releases.database
    judge(releases, candidate, "inconclusive")
    case = open_case(database, GATE)
    ended = end(case, start(database, case))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: apply_end(database, ended), range(8)))
    assert [applied.effect for applied in found if applied] == ["accepted"]
    assert len(outcomes(database, [case.case_id])) == 1


@pytest.mark.parametrize("change", ["other goldens", "regression", "passes", "opened again", "other digest"])
def test_an_approval_of_what_has_changed_since_lets_nothing_pass(releases: MadeReleases, candidate: int, change: str) -> None:
    database = releases.database
    judge(releases, candidate, "inconclusive")
    case = open_case(database, GATE)
    review = start(database, case)
    match change:
        case "other goldens":
            judge(releases, candidate, "inconclusive", OTHER_GOLDENS)
        case "regression":
            judge(releases, candidate, "regression")
        case "passes":
            judge(releases, candidate, "pass")
        case "opened again":
            releases.apply({"b": "more"})
            judge(releases, candidate, "inconclusive")
        case "other digest":
            with pytest.raises(StateError, match="other content"):
                apply_end(database, end(case, review, digest=b"\0" * 32))
            return
    applied = apply_end(database, end(case, review))
    assert applied is not None
    assert applied.effect == "none"
    assert not [a for a in acceptances(database) if a.release == candidate]
    assert get_release(database, candidate).promotable == (change == "passes")
    assert review not in [r.review_id for r in reviews_to_withdraw(database, 100)], "it has ended by itself"


def test_an_acceptance_counts_no_longer_when_the_verdict_becomes_worse(releases: MadeReleases, candidate: int) -> None:
    database = releases.database
    judge(releases, candidate, "inconclusive")
    case = open_case(database, GATE)
    apply_end(database, end(case, start(database, case)))

    def told() -> tuple[list[str], str | None]:
        return [a.gate for a in acceptances(database) if a.release == candidate], past_releases(database, 1)[0].accepted

    assert get_release(database, candidate).promotable
    assert told() == ([GATE], f"{GATE} by dr.reviewer")
    for verdict, goldens in (("regression", GOLDENS), ("inconclusive", OTHER_GOLDENS)):
        judge(releases, candidate, verdict, goldens)
        with pytest.raises(GateRefusal):
            promote(database, candidate)
        assert told() == ([], None), "nobody let this verdict pass"
    judge(releases, candidate, "inconclusive")
    assert get_release(database, candidate).promotable
    assert told() == ([GATE], f"{GATE} by dr.reviewer")


def test_a_regression_passes_by_a_waiver_that_one_asked_for_and_another_approved(releases: MadeReleases, candidate: int) -> None:
    database = releases.database
    judge(releases, candidate, "regression")
    with pytest.raises(StateError, match="integrity gate"):
        ask_for_waiver(database, "coverage", "please", "ann")
    with pytest.raises(StateError, match="reason"):
        ask_for_waiver(database, GATE, " ", "ann")
    assert ask_for_waiver(database, GATE, "two goldens are wrong", "ann").release == candidate
    with pytest.raises(StateError, match="asked for before"):
        ask_for_waiver(database, GATE, "again", "bob")
    case = open_case(database, GATE, "waiver")
    assert (case.asked_by, case.request) == ("ann", "two goldens are wrong")
    applied = apply_end(database, end(case, start(database, case), by=" ANN "))
    assert applied is not None
    assert (applied.effect, "cannot approve it" in applied.note) == ("refused", True)
    assert not get_release(database, candidate).promotable


def test_a_waiver_approved_by_another_person_lets_the_candidate_pass(releases: MadeReleases, candidate: int) -> None:
    database = releases.database
    judge(releases, candidate, "regression")
    ask_for_waiver(database, GATE, "known", "ann")
    case = open_case(database, GATE, "waiver")
    applied = apply_end(database, end(case, start(database, case), by="bob"))
    assert applied is not None
    assert applied.effect == "accepted"
    promote(database, candidate)
    assert [(a.reviewer, a.asked_by, a.verdict) for a in acceptances(database) if a.release == candidate] == [("bob", "ann", "regression")]


def test_a_waiver_goes_with_the_verdict_that_it_is_about(releases: MadeReleases, candidate: int) -> None:
    database = releases.database
    judge(releases, candidate, "regression")
    ask_for_waiver(database, GATE, "known", "ann")
    case = open_case(database, GATE, "waiver")
    judge(releases, candidate, "regression", OTHER_GOLDENS)
    assert not [c for c in list_cases(database, ("open",)) if c.case_id == case.case_id]
    with pytest.raises(StateError, match="says inconclusive"):
        judge(releases, candidate, "inconclusive")
        ask_for_waiver(database, GATE, "known", "ann")


def test_a_rejected_document_loses_its_earlier_version_until_the_source_delivers_another(releases: MadeReleases) -> None:
    from kb_platform.storage.apply import lock
    from kb_platform.storage.dropped_documents import leave_out_dropped
    from kb_platform_tests.storage.made_releases import PIPELINE, SPACE

    database = releases.database

    def drop() -> tuple[int, int]:
        with database.transaction("writer") as c:
            lock(c, database)
            gone, opened = leave_out_dropped(c, "docs", SPACE.space_id, PIPELINE, "test")
        assert (opened is not None) == (gone.deleted > 0), "a candidate is opened only where there is something to close"
        return gone.deleted, gone.rows_closed

    releases.release({"scan.pdf": "it was text once", "other": "stays"})
    releases.apply({}, failed={"scan.pdf": "bytes that nobody reads"})
    assert drop() == (0, 0), "nobody has decided"
    case = open_case(database, "docs/scan.pdf")
    applied = apply_end(database, end(case, start(database, case), "rejected"))
    assert applied is not None
    assert applied.effect == "document_dropped"
    assert drop() == (1, 1)
    assert drop() == (0, 0)
    number = releases.apply({"b": "more"})
    discard(database, number)
    assert drop() == (1, 1), "the discarded candidate had let go of it"
    with database.transaction("gate") as c:
        assert c.execute("select count(*) from chunk where doc_id = 'scan.pdf' and valid_to = 2147483647").fetchone() == (0,)
    releases.apply({"scan.pdf": "text again"})
    assert drop() == (0, 0)


def test_a_case_whose_review_expired_is_asked_again_when_it_is_found_again(releases: MadeReleases) -> None:
    database = releases.database
    stale = ReviewCase(CaseKind.STALE_GOLDEN, "g-1", b"\1" * 32, {})
    for _ in range(2):
        with database.transaction("gate") as c:
            raise_cases(c, [stale], None)
        case = open_case(database, "g-1")
        apply_end(database, end(case, start(database, case), "expired_unreviewed"))
    assert [o.status for o in outcomes(database, [case.case_id])] == ["expired_unreviewed"] * 2
