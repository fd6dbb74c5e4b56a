"""What the database refuses is told by the rule that it names, not by its words; and verdicts stand still while a waiver is asked for."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from kb_platform.knowledge.errors import GateRefusal, StateError
from kb_platform.release.waivers import ask_for_waiver
from kb_platform.storage.gates import GateResult, record_gate
from kb_platform.storage.releases import discard, get_release, promote
from kb_platform.storage.review_cases import ask_waiver, list_cases, reopen_case
from kb_platform.storage.review_outcomes import apply_end
from kb_platform_tests.homes import damaged
from kb_platform_tests.storage.made_releases import MadeReleases, wait_until_blocked
from kb_platform_tests.storage.made_reviews import end, open_case, start

GATE = "golden_retrieval"


def failed_candidate(releases: MadeReleases, text: str, verdict: str = "regression") -> tuple[int, bytes]:
    release = releases.apply({"a": text})
    return release, releases.judge(release, {GATE: verdict})


def test_only_a_verdict_about_other_content_says_that_another_refresh_was_quicker(releases: MadeReleases) -> None:
    release, digest = failed_candidate(releases, "one", "pass")
    with pytest.raises(psycopg.errors.CheckViolation, match="verdict"):  # no such verdict: a fault of the caller
        record_gate(releases.database, release, digest, GateResult(GATE, True, "splendid", 1.0, 1.0, {}), "test")
    with pytest.raises(StateError, match="another refresh was quicker"):
        record_gate(releases.database, release, b"other", GateResult(GATE, True, "pass", 1.0, 1.0, {}), "test")
    promote(releases.database, release)
    with pytest.raises(StateError, match=f"^{releases.database.name}: release {release} is promoted.*another refresh was quicker"):  # who prints it names the gate
        record_gate(releases.database, release, digest, GateResult(GATE, True, "pass", 1.0, 1.0, {}), "test")


def test_a_refused_promotion_points_to_what_explains_it(releases: MadeReleases) -> None:
    release, _ = failed_candidate(releases, "two")
    name = releases.database.name
    with pytest.raises(GateRefusal, match=f"gates not passed: {GATE}.*kb report {name} --release {release}"):
        promote(releases.database, release)
    discard(releases.database, release)
    with pytest.raises(GateRefusal, match=f"it is discarded.*kb releases {name}"):
        promote(releases.database, release)


def test_a_waiver_that_cannot_be_asked_for_is_refused_in_words(releases: MadeReleases) -> None:
    release, digest = failed_candidate(releases, "three")
    with pytest.raises(StateError, match="nobody asks"):
        ask_for_waiver(releases.database, GATE, "known", " ")
    with pytest.raises(StateError, match="latency of release .* cannot be waived as it stands.*required gate"):
        ask_waiver(releases.database, "latency", digest, release, {}, "ann", "known")
    with pytest.raises(psycopg.errors.CheckViolation, match="a_waiver_is_asked_for"):
        ask_waiver(releases.database, GATE, digest, release, {}, " ", "known")
    discard(releases.database, release)


@pytest.mark.parametrize("again", [False, True])
def test_a_waiver_waits_for_a_verdict_that_is_being_written(releases: MadeReleases, again: bool) -> None:
    database = releases.database
    release, digest = failed_candidate(releases, f"four {again}")
    damaged(database, f"release {release}: the verdict pass of {GATE} carries no signature")  # it is said by hand below
    case = 0
    if again:
        ask_for_waiver(database, GATE, "known", "ann")
        first = open_case(database, GATE, "waiver")
        apply_end(database, end(first, start(database, first), "expired_unreviewed"))
        case = first.case_id
    with ThreadPoolExecutor(1) as pool:
        with database.transaction("gate") as c:
            c.execute("insert into judgement (release_id, gate, content_digest, verdict, signature) values (%s, %s, %s, 'pass', 'x')",
                      (release, GATE, digest))
            asked = pool.submit(reopen_case, database, case) if again else pool.submit(
                ask_waiver, database, GATE, digest, release, {}, "ann", "known")
            wait_until_blocked(database)
        with pytest.raises(StateError, match="cannot be waived as it stands"):
            asked.result(30)
    assert not [c for c in list_cases(database, ("open",)) if c.kind == "waiver"]
    assert get_release(database, release).promotable
    discard(database, release)
