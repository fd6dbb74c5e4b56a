"""What Dagster's Checks tab shows of a gate that measured nothing: never a pass that nobody measured."""

from collections.abc import Callable
from typing import Any

import dagster as dg

from kb_platform.cli import session
from kb_platform.cli.refreshing import exit_code, refresh_once
from kb_platform.components.knowledge_base.checks import gate_checks
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.local.dagster_home import open_instance
from kb_platform.release.gates import GATES, Rank

MakeKb = Callable[..., KnowledgeBase]
INTEGRITY_GATES = [gate.name for gate in GATES.values() if gate.rank is Rank.INTEGRITY]
FILES = {"badges.md": "# Badges\n\nA badge is worn at the height of the chest, and given back on the last day."}
JUDGED: dict[str, Any] = {"gate": {"judge": {}}}


def evaluations(report: dict[str, Any]) -> dict[str, dg.AssetCheckEvaluation]:
    """Return what the checks of a refresh said, by name."""
    with open_instance(session.settings()) as instance:
        logs = instance.all_logs(report["runs"]["release"], of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    found = [entry.dagster_event.asset_check_evaluation_data for entry in logs if entry.dagster_event]
    return {evaluation.check_name: evaluation for evaluation in found}


def test_a_gate_that_measured_nothing_warns_with_its_one_reason_and_stops_nothing(make_kb: MakeKb) -> None:
    report = refresh_once(kb := make_kb(FILES, **JUDGED), None, None, quiet=True)
    assert (report["promoted"], exit_code(report)) == (True, 0), report
    said = evaluations(report)
    assert not said["golden_retrieval"].passed and not said["answer_quality"].passed
    assert said["golden_retrieval"].severity == said["answer_quality"].severity == dg.AssetCheckSeverity.WARN
    assert said["answer_quality"].description == "nothing was judged: no judge is configured: KB_JUDGE_URL is not set"
    assert said["golden_retrieval"].description == f"nothing was judged: no golden query is in {kb.folder / 'golden'}"
    assert all(said[gate].passed for gate in INTEGRITY_GATES)


def test_while_nothing_changes_what_was_measured_stands_and_what_was_not_still_warns(make_kb: MakeKb) -> None:
    kb = make_kb(FILES)
    first = refresh_once(kb, None, None, quiet=True)
    said = evaluations(refresh_once(kb, None, None, quiet=True))
    assert said["coverage"].passed
    assert said["coverage"].description == f"nothing was judged: nothing changed since release {first['release']}, of which this gate said pass"
    assert (said["golden_retrieval"].passed, said["golden_retrieval"].severity) == (False, dg.AssetCheckSeverity.WARN)


def test_before_the_first_release_no_check_is_green(make_kb: MakeKb) -> None:
    report = refresh_once(make_kb({"notes.bin": "not a document"}, sources=[
        {"name": "docs", "kind": "files", "path": "documents", "allow_empty": True}]), None, None, quiet=True)
    assert report["release"] is None
    assert {e.description for e in evaluations(report).values()} == {"nothing was judged: there is no release yet"}
    assert not any(e.passed for e in evaluations(report).values())


def test_a_required_gate_that_measured_nothing_is_an_error_and_nothing_is_promoted(make_kb: MakeKb) -> None:
    named = {"required_gates": [*INTEGRITY_GATES, "answer_quality"]}
    report = refresh_once(make_kb(FILES, gate=named), None, None, quiet=True)
    said = evaluations(report)["answer_quality"]
    assert (said.passed, said.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert said.description == "nothing was judged: defs.yaml has no gate.judge"
    assert (report["promoted"], exit_code(report)) == (False, 1)
    assert report["errors"][f"{report['knowledge_base']}__release_candidate_answer_quality"] == said.description


def test_answers_are_a_check_only_where_the_yaml_asks_for_a_judge(make_kb: MakeKb) -> None:
    def checks(kb: KnowledgeBase) -> set[str]:
        return {spec.name for checks in gate_checks(kb) for spec in checks.check_specs}

    assert checks(make_kb(FILES)) == set(GATES) - {"answer_quality"}
    assert checks(make_kb(FILES, "2", **JUDGED)) == set(GATES)
