"""A candidate that lost an answer: named by slice with both result lists, in the terminal, in --json and in Dagster's pages; and searched."""

import json
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import psycopg
import pytest
import yaml

from kb_platform.cli import app, session
from kb_platform.cli.refreshing import refresh_once, show_report
from kb_platform.knowledge.errors import KbError
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.local.dagster_home import open_instance
from kb_platform_tests.flow.conftest import MakeKb, write_kb
from kb_platform_tests.flow.steps import refresh_by_steps

NAME = "lost"
FRIDGE = "Vaccines must be kept between two and eight degrees in the pharmacy fridge."
QUESTION = "How cold must vaccines be kept?"
PAGES = {"fridge.md": f"# Fridge\n\n{FRIDGE}\n", "visits.md": "# Visits\n\nVisitors are welcome on the ward from two in the afternoon until seven.\n"}
GOLDENS = [
    {"id": "cold", "question": QUESTION, "severity": "critical", "slices": ["lookup"], "expected": [{"document": "fridge.md", "quote": FRIDGE}]},
    {"id": "visits", "question": "When may visitors come to the ward?", "slices": ["hours"], "expected": [{"document": "visits.md", "whole": True}]},
]
NOISE = {f"noise-{n}.md": f"# How cold must vaccines be kept {n}\n\nHow cold must vaccines be kept? Note {n}: ask somebody else.\n" for n in range(12)}
Run = Callable[..., str]


@pytest.fixture(scope="module")
def stopped(home: Path) -> dict:
    """Return the report on release 2, in which noise stands in front of an answer that release 1 gives."""
    kb = write_kb(home, NAME, PAGES, gate={"floors": {"all": 0.9}})
    (kb.folder / "golden").mkdir()
    (kb.folder / "golden" / "golden.yaml").write_text(yaml.safe_dump({"version": 1, "goldens": GOLDENS}))
    assert refresh_by_steps(kb, "2026-03-01").promoted
    write_kb(home, NAME, NOISE, gate={"floors": {"all": 0.9}})
    return refresh_once(kb, "2026-03-02", None, quiet=True)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], stopped: dict) -> Run:
    def command(*arguments: str) -> str:
        capsys.readouterr()
        assert app([*arguments], standalone_mode=False) in (None, 0)
        return capsys.readouterr().out

    return command


def test_a_refresh_names_what_was_lost_by_slice(stopped: dict, capsys: pytest.CaptureFixture[str]) -> None:
    said = stopped["gates"]["golden_retrieval"]
    assert (stopped["verdict"], said["worse_count"], said["unanswered_count"]) == ("regression", 1, 1)
    assert [(s["slice"], s["worse"], s["unanswered"]) for s in said["slices"]] == [(name, ("cold",), ("cold",)) for name in ("all", "critical", "lookup")]
    capsys.readouterr()
    show_report(stopped)
    shown = " ".join(capsys.readouterr().out.split())
    assert "critical: got worse: cold; not answered: cold" in shown
    assert "hours" not in shown, "nothing was lost there"


def test_the_candidate_is_evaluated_against_live_and_its_worst_queries_are_printed(run: Run) -> None:
    found = json.loads(run("evaluate", NAME, "--release", "2", "--json"))
    assert (found["compared_with"], found["worse_count"], found["worse"][0]["results"]["live"][0]["doc_id"]) == (1, 1, "fridge.md")
    assert len(found["worse"][0]["results"]["candidate"]) == 5
    shown = run("evaluate", NAME, "--release", "2", "--worst", "1")
    assert all(part in shown for part in ("release 1  1. fridge.md", "release 2  1. noise-", "Success@5 1.00 to 0.00", "1 query got worse"))
    assert QUESTION not in run("evaluate", NAME, "--release", "2", "--worst", "0")
    assert "got worse" not in run("evaluate", NAME), "of the live release, which answers all"


def test_two_releases_are_compared_query_by_query(stopped: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    page = tmp_path / "compared.html"
    assert app(["compare", NAME, "1", "2", "--html", str(page)], standalone_mode=False) == 3
    shown = capsys.readouterr().out
    assert all(part in shown for part in ("critical: got worse: cold; not answered: cold", "release 1  1. fridge.md", "release 2  1. noise-"))
    written = page.read_text()
    assert "Lost or not answered, slice by slice" in written
    assert written.count("<summary><code>cold</code>") == 2, "among those that got worse, and among those that are not answered"


def test_the_check_in_the_pages_names_what_was_lost_by_slice(stopped: dict) -> None:
    with open_instance(session.settings()) as instance:
        (record,) = instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(dg.AssetKey([NAME, "release_candidate"]), "golden_retrieval"), limit=1)
    assert record.event is not None and record.event.dagster_event is not None
    evaluation = record.event.dagster_event.asset_check_evaluation_data
    metadata = evaluation.metadata
    assert evaluation.description is not None
    assert evaluation.description.startswith(f"lost or not answered: cold ({QUESTION}); Success@5 is 0.500 on slice 'all'")
    assert evaluation.description.count("against 1.000 of the live release") == 1, "the comparison is told once"
    tables = {name: metadata[name].records for name in ("worse", "unanswered", "slices")}  # pyright: ignore[reportAttributeAccessIssue]
    assert [row.data["got worse"] for row in tables["slices"]] == ["cold"] * 3
    assert tables["worse"][0].data["question"] == QUESTION
    assert tables["worse"][0].data["live finds"].startswith("fridge.md:")
    assert tables["unanswered"][0].data["candidate finds"].count("noise-") == 5


def test_the_candidate_is_searched_by_the_gates_role_and_by_no_reader(run: Run) -> None:
    hits = json.loads(run("search", NAME, QUESTION, "--candidate", "--json"))
    assert (hits["release"], hits["hits"][0]["doc_id"][:6]) == (2, "noise-")
    assert "release 2, the candidate: no reader sees it" in run("search", NAME, QUESTION, "--candidate")
    assert json.loads(run("search", NAME, QUESTION, "--json"))["hits"][0]["doc_id"] == "fridge.md"
    with pytest.raises(KbError, match="release 2 "):
        run("search", NAME, QUESTION, "--release", "2")
    with pytest.raises(KbError, match="name two releases"):
        run("search", NAME, QUESTION, "--release", "1", "--candidate")
    database = session.store(NAME).database
    for statement in ("select not_collected(2)", "select * from search_rows(2, '', null, null, null, 1, 1, 0.5, null)"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), database.transaction("reader") as c:
            c.execute(statement)


def test_without_a_candidate_there_is_none_to_search(make_kb: MakeKb) -> None:
    kb: KnowledgeBase = make_kb(PAGES)
    assert refresh_by_steps(kb, kb.today().isoformat()).promoted
    with pytest.raises(KbError, match="there is no candidate; expected a sealed candidate"):
        app(["search", kb.name, QUESTION, "--candidate"], standalone_mode=False)


def test_without_goldens_nothing_was_judged_and_it_does_not_look_like_a_pass(make_kb: MakeKb, capsys: pytest.CaptureFixture[str]) -> None:
    kb = make_kb(PAGES)
    report = refresh_once(kb, None, None, quiet=True)
    show_report(report)
    shown = " ".join(capsys.readouterr().out.split())
    assert report["promoted"]
    assert "gate golden_retrieval: nothing was judged - there are no golden queries yet" in shown
    assert shown.endswith("release 1: verdict pass (no golden query judged it), is live")
    with pytest.raises(KbError, match="nothing can be judged: there are no golden queries"):
        app(["evaluate", kb.name], standalone_mode=False)
