"""The judged gate on a real Postgres and a scripted endpoint: what is asked, what is kept, and what stops a release."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
import yaml
from typer.testing import CliRunner

from kb_platform.cli import app, session
from kb_platform.cli.refreshing import exit_code, refresh_once
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.progress import silent
from kb_platform.quality.judges.cases import Case
from kb_platform.quality.judges.endpoint import Judge
from kb_platform.quality.judges.noise import Noise, measure_noise
from kb_platform.quality.judges.panel import metric_version
from kb_platform.quality.judges.parameters import JudgeParameters
from kb_platform.quality.verdict import Verdict
from kb_platform.release.gates import required_gates
from kb_platform.release.gates.answer_quality import Judged, confirm, judge_answers
from kb_platform.release.gates.subject import Subject
from kb_platform.release.judged_cases import answer_cases
from kb_platform.release.judged_votes import Ledger
from kb_platform.resources import load_embedder, open_store
from kb_platform.storage.database import Database
from kb_platform.storage.judge_votes import repeated_scores
from kb_platform.storage.releases import get_release, live_release
from kb_platform_tests.quality.judges.scripted_endpoint import Reply, ScriptedEndpoint, completion, error, judging, serving

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
MakeKb = Callable[..., KnowledgeBase]
RECALL = "contextual_recall"  # one call a vote
TOPICS = ("badge", "fridge", "visit", "login", "parking", "laundry")


@pytest.fixture(scope="module")
def database(home: Any) -> Database:
    return open_store("judged").database


@pytest.fixture
def scripted() -> Iterator[ScriptedEndpoint]:
    with serving() as endpoint:
        yield endpoint


def cases(name: str, count: int = 12) -> tuple[Case, ...]:
    return tuple(Case(f"q{n}", f"{name} {n}?", (f"{name} {n} one.", "Two."), "One.", "One.") for n in range(count))


def run(database: Database, scripted: ScriptedEndpoint, *sides: tuple[Case, ...], metric: str = RECALL, floor: float | None = 0.8,
        **more: Any) -> tuple[Judged, Ledger]:
    """Judge by one metric, with a model name of the case's own, so that tests share no votes."""
    parameters = JudgeParameters(**({"metrics": {metric: floor}, "noise": 4, "votes": 3} | more))
    endpoint = scripted.endpoint(input_price=1.0, output_price=1.0)
    ledger = Ledger(database, endpoint, parameters.max_error_share, silent)

    def noise() -> dict[str, Noise | None]:
        return {metric: measure_noise(repeated_scores(database, endpoint.model, metric, metric_version()))}

    return confirm(ledger, sides, parameters, noise), ledger


def failures(ledger: Ledger) -> dict[str, int]:
    return dict(Counter(error.kind.value for error in ledger.failures.values()))


def test_one_vote_is_enough_where_it_passes_and_the_sample_has_them_all(database: Database, scripted: ScriptedEndpoint) -> None:
    judged, ledger = run(database, scripted, cases("passes"))
    assert (judged.verdict.verdict, judged.confirmed) == (Verdict.PASS, ())
    assert len(scripted.requests) == ledger.given == 8 + 4 * 3
    assert ledger.usage.cost == pytest.approx(20 * 110e-6)


def test_what_was_asked_before_is_not_asked_again(database: Database, scripted: ScriptedEndpoint) -> None:
    first, _ = run(database, scripted, cases("cached"))
    asked = len(scripted.requests)
    scripted.script = lambda _: error(500)
    again, ledger = run(database, scripted, cases("cached"))
    assert len(scripted.requests) == asked
    assert again == first
    assert (ledger.reused, ledger.given, ledger.usage.requests) == (asked, 0, 0)


def test_equal_input_is_asked_once_for_both_releases(database: Database, scripted: ScriptedEndpoint) -> None:
    same = cases("both")
    judged, _ = run(database, scripted, same, same)
    assert len(scripted.requests) == 20
    assert judged.verdict.evidence[0].differing == 0


def test_what_does_not_pass_is_voted_on_again_on_every_golden_and_by_the_mean(database: Database, scripted: ScriptedEndpoint) -> None:
    moody = iter(["no"] * 20 + ["yes"] * 100)  # the first vote on everything is against it
    scripted.script = lambda request: judging(request, next(moody))
    judged, ledger = run(database, scripted, cases("moody"), floor=0.4)
    assert judged.confirmed == (RECALL,)
    assert ledger.given == 12 * 3
    assert all(len(votes[RECALL].scores) == 3 for votes in judged.panels[0].values())
    assert judged.verdict.metrics[RECALL] == pytest.approx(16 / 36)
    assert judged.verdict.verdict is Verdict.PASS


def test_what_stays_below_its_floor_is_a_regression_after_all_votes(database: Database, scripted: ScriptedEndpoint) -> None:
    scripted.script = lambda request: judging(request, "no")
    judged, ledger = run(database, scripted, cases("bad"))
    assert (judged.verdict.verdict, judged.confirmed, ledger.given) == (Verdict.REGRESSION, (RECALL,), 36)


def test_a_failed_vote_is_counted_apart_and_not_asked_twice_in_a_run(database: Database, scripted: ScriptedEndpoint) -> None:
    scripted.script = lambda request: completion("broken") if "odd 11" in str(request) else judging(request, "no")
    odd = tuple(Case(f"q{n}", "?", (f"odd {n}", "Two."), "One.") for n in range(12))
    judged, ledger = run(database, scripted, odd, max_error_share=0.1)
    assert failures(ledger) == {"not_json": 3}
    assert sum("odd 11" in str(request) for request in scripted.requests) == 3  # three votes, each asked once
    assert "q11" not in [golden for golden, votes in judged.panels[0].items() if votes[RECALL].scores]
    assert judged.verdict.evidence[0].queries == 11


def test_a_failed_vote_is_asked_again_by_the_next_run(database: Database, scripted: ScriptedEndpoint) -> None:
    scripted.script = lambda request: error(500) if "later 3?" in str(request) else judging(request, "yes")
    late = cases("later")
    run(database, scripted, late, metric="contextual_precision", max_error_share=0.5)
    scripted.script, before = lambda request: judging(request, "yes"), len(scripted.requests)
    _, ledger = run(database, scripted, late, metric="contextual_precision", max_error_share=0.5)
    assert (len(scripted.requests) - before, failures(ledger)) == (3, {})


def test_a_dead_endpoint_is_inconclusive_soon(database: Database, scripted: ScriptedEndpoint) -> None:
    scripted.script = lambda _: error(503)
    judged, ledger = run(database, scripted, cases("dead", 100))
    assert judged.verdict.verdict is Verdict.INCONCLUSIVE
    assert [reason.code for reason in judged.verdict.reasons] == ["votes_failed", "nothing_judged"]
    assert len(scripted.requests) <= 0.05 * 108 + 2
    assert failures(ledger)["not_asked"] > 100
    assert judged.confirmed == ()


def test_a_case_without_an_answer_fails_the_metrics_that_read_it(database: Database, scripted: ScriptedEndpoint) -> None:
    silent_on = tuple(Case(f"q{n}", f"silence {n}?", ("One.", "Two."), "One.") for n in range(3))
    scripted.script = lambda request: error(500) if "silence 2" in str(request) else completion("One.")
    answered = answer_cases(database, scripted.endpoint(), [silent_on], 0.5, silent)
    assert [case.answer for case in answered.sides[0]] == ["One.", "One.", None]
    assert [failed.error.kind.value for failed in answered.failed] == ["server_error"]
    before = len(scripted.requests)
    again = answer_cases(database, scripted.endpoint(), [silent_on], 0.5, silent)
    assert len(scripted.requests) == before + 1  # the two that were given are kept
    scripted.script = lambda request: judging(request, "yes")
    _, ledger = run(database, scripted, *again.sides, metric="answer_relevancy", noise=1, max_error_share=0.5)
    assert failures(ledger) == {"no_answer": 1}


def test_what_needs_an_expected_answer_leaves_out_the_goldens_that_have_none(database: Database, scripted: ScriptedEndpoint) -> None:
    some = (*cases("some", 3), Case("whole", "some whole document?", ("One.", "Two."), None))
    judged, ledger = run(database, scripted, some)
    assert (judged.verdict.verdict, judged.verdict.evidence[0].queries, ledger.failures) == (Verdict.PASS, 3, {})
    assert run(database, scripted, some[3:])[0].verdict.verdict is Verdict.INCONCLUSIVE


def test_only_the_gate_may_read_and_add_votes_and_nobody_may_change_them(database: Database, scripted: ScriptedEndpoint) -> None:
    run(database, scripted, cases("rights"))
    for role in ("reader", "writer", "promoter"):
        for table in ("judge_vote", "judge_answer"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), database.transaction(role) as c:
                c.execute(f"select 1 from {table}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege), database.transaction("gate") as c:
        c.execute("delete from judge_vote")
    with pytest.raises(psycopg.errors.CheckViolation), database.transaction("owner") as c:
        c.execute("update judge_vote set score = 1")


def documents(**changed: str) -> dict[str, str]:
    return {f"{topic}.md": f"# {topic.title()}\n\n{changed.get(topic, f'The {topic} rule is number {n} in the book.')}\n"
            for n, topic in enumerate(TOPICS)}


def goldens() -> str:
    rows = [{"id": topic, "question": f"What is the {topic} rule?",
             "expected": [{"document": f"{topic}.md", "quote": f"The {topic} rule is number {n} in the book."}]}
            for n, topic in enumerate(TOPICS)]
    return yaml.safe_dump({"version": 1, "goldens": rows})


def by_topic(request: dict[str, Any]) -> Reply:
    """Answer that nobody knows where a passage says that its rule was withdrawn, and judge that answer off the point."""
    text = request["messages"][-1]["content"]
    if "response_format" not in request:
        return completion("Nobody knows." if "withdrawn" in text else "It is in the book.")
    if "statements" in request["response_format"]["json_schema"]["schema"]["properties"]:
        return completion(json.dumps({"statements": ["Nobody knows." if "Nobody knows." in text else "It is in the book."] * 2}))
    return judging(request, "no" if "Nobody knows." in text else "yes")


def test_a_release_is_judged_blocked_when_answers_get_worse_and_pays_only_for_what_changed(
    make_kb: MakeKb, scripted: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged_by = {"metrics": {"answer_relevancy": 0.9}, "passages": 2, "noise": 2, "votes": 2, "max_error_share": 0.1}
    kb = make_kb(documents(), gate={"judge": judged_by})
    (kb.folder / "golden").mkdir()
    (kb.folder / "golden" / "golden.yaml").write_text(goldens())
    assert "answer_quality" not in required_gates(kb)
    monkeypatch.setenv("KB_JUDGE_URL", scripted.endpoint().url)
    monkeypatch.setenv("KB_JUDGE_MODEL", "scripted")
    assert "answer_quality" in required_gates(kb)

    scripted.script = by_topic
    report = refresh_once(kb, None, None, quiet=True)
    assert (report["gates"]["answer_quality"]["verdict"], report["promoted"], exit_code(report)) == ("pass", True, 0), report
    assert len(scripted.requests) == 6 + (4 + 2 * 2) * 2  # answers; two calls a vote, of which the sample has two each

    before = len(scripted.requests)
    for topic in ("badge", "fridge"):
        (kb.folder / "documents" / f"{topic}.md").write_text(
            f"# {topic.title()}\n\nThe {topic} rule is number {TOPICS.index(topic)} in the book.\n\nThe {topic} rule was withdrawn.\n")
    report = refresh_once(kb, None, None, quiet=True)
    assert (report["gates"]["answer_quality"]["verdict"], report["promoted"], exit_code(report)) == ("regression", False, 3), report
    assert "answer_relevancy is 0." in report["gates"]["answer_quality"]["reasons"][0]
    answers = [request for request in scripted.requests[before:] if "response_format" not in request]
    assert len(answers) < 6
    assert live_release(session.store(kb.name).database) == report["live_release"] != report["release"]

    shown = CliRunner().invoke(app, ["report", kb.name, "--html", str(kb.folder / "report.html")])
    assert shown.exit_code == 0, shown.output
    row = re.search(r'<th scope="row">answer_relevancy</th>(.*?)</tr>', (kb.folder / "report.html").read_text(), re.DOTALL)
    assert row is not None
    assert ">0.9<" in row[1].replace("0.900", "0.9")
    assert "0 of " in row[1]

    asked, opened = len(scripted.requests), session.store(kb.name)
    subject = Subject(opened, kb, get_release(opened.database, report["release"]), report["live_release"], load_embedder)
    result = judge_answers(subject, Judge(scripted.endpoint(), scripted.endpoint()))
    assert result is not None
    assert (result.verdict, len(scripted.requests)) == ("regression", asked)
    judge = Judge(scripted.endpoint(), replace(scripted.endpoint(), model="another"))
    scripted.script = lambda _: error(401)
    refused = judge_answers(subject, judge)
    assert refused is not None
    assert refused.verdict == "inconclusive"
    assert refused.evidence["failures"]["refused"] in (1, 2)  # two are asked at a time, and nobody is asked any more
    assert any("check its API key" in reason["message"] for reason in refused.evidence["reasons"])
    assert result.evidence["confirmed"] == ["answer_relevancy"]
    assert result.evidence["usage"] == {"requests": 0, "input_tokens": 0, "output_tokens": 0, "cost": 0.0}
    assert {row["query"] for row in result.evidence["worst"]} <= set(TOPICS)
    assert all("number" not in str(row) for row in result.evidence["worst"])
