"""What Dagster's pages show of days, checks and promotions; and that what a person launches there runs as the jobs do, to its end."""

import getpass
import json
import re
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from kb_platform.cli import app, main, session
from kb_platform.cli.refreshing import refresh_once
from kb_platform.cli.runs import _definitions as definitions_of
from kb_platform.components.knowledge_base.day_metadata import CLOSED, EARLIER
from kb_platform.components.loading import load_what_loads
from kb_platform.components.runs_by_hand import runs_by_hand
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.local.dagster_home import open_instance
from kb_platform.resources.platform import Platform
from kb_platform_tests.flow.conftest import write_kb

PAGES = {f"{name}.md": f"# {name}\n\nThe {name} is checked by the porter on Mondays.\n" for name in ("alarm", "badge", "cradle")}


@pytest.fixture(scope="module")
def kb(home: Path) -> KnowledgeBase:
    """Return a knowledge base of which a range of days was refreshed, then a later day, then one that was closed by it; rolled back, and forth."""
    made = write_kb(home, "days", PAGES)
    assert refresh_once(made, "2026-03-01..2026-03-03", None, quiet=True)["promoted"]
    (made.folder / "documents" / "alarm.md").unlink()
    assert refresh_once(made, "2026-03-05", None, quiet=True)["promoted"]
    refresh_once(made, "2026-03-03", None, quiet=True)
    app(["rollback", made.name], standalone_mode=False)
    app(["promote", made.name, "--release", "2", "--by", " dr.weber "], standalone_mode=False)
    return made


def of_day(kb: KnowledgeBase, day: str, newest: int = 0) -> dict[str, Any]:
    """Return the metadata of a day's materialization of raw_documents."""
    key = dg.AssetKey([kb.name, "docs", "raw_documents"])
    with open_instance(session.settings()) as instance:
        records = instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=key, asset_partitions=[day]), limit=5).records
    event = records[newest].asset_materialization
    assert event is not None
    return {name: value.value for name, value in event.metadata.items()}


def test_a_run_over_many_days_reports_the_numbers_of_each(kb: KnowledgeBase) -> None:
    first, last = of_day(kb, "2026-03-01"), of_day(kb, "2026-03-03", newest=1)
    assert (first["dagster/row_count"], first["captures"], first["note"]) == (0, 0, EARLIER)
    assert (last["dagster/row_count"], last["captures"], last["day/upserts"], last["upserts"]) == (3, 1, 3, 3)
    assert "note" not in last


def test_a_day_that_was_closed_says_so_with_what_it_delivered(kb: KnowledgeBase) -> None:
    again = of_day(kb, "2026-03-03")
    assert (again["closed"], again["note"], again["dagster/row_count"], again["day/upserts"]) == (True, CLOSED, 3, 3)
    assert "upserts" not in again
    newest = of_day(kb, "2026-03-05")
    assert (newest["day/deletes"], newest["closed"]) == (1, False)


def test_every_move_of_the_pointer_is_listed_by_the_command_and_in_the_pages(kb: KnowledgeBase, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    app(["history", kb.name, "--json"], standalone_mode=False)
    moves = json.loads(capsys.readouterr().out)["moves"]
    assert [(move["from"], move["to"], move["rollback"]) for move in moves] == [(1, 2, False), (2, 1, True), (1, 2, False), (None, 1, False)]
    app(["history", kb.name], standalone_mode=False)
    assert "rollback" in capsys.readouterr().out
    with open_instance(session.settings()) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey([kb.name, "promoted_release"]))
    assert event is not None and event.asset_materialization is not None
    assert event.asset_materialization.metadata["account"].value == "dr.weber", "who asked for the last move"
    shown = event.asset_materialization.metadata["promotions"].records  # pyright: ignore[reportAttributeAccessIssue]
    past = event.asset_materialization.metadata["history"].records  # pyright: ignore[reportAttributeAccessIssue]
    assert {shown[0].data["when"]} <= {record.data["promoted"] for record in past}  # to the second, in a zone that is named
    assert [(row.data["what"], row.data["from"], row.data["to"]) for row in shown] == [
        ("promotion", 1, 2), ("rollback", 2, 1), ("promotion", 1, 2), ("promotion", "nothing", 1)]
    assert all(row.data["by"] == "kb_days_promoter" for row in shown)
    assert [row.data["for"] for row in shown[:2]] == ["dr.weber", getpass.getuser()]
    assert all(re.fullmatch("run [0-9a-f]{8}", str(row.data["for"])) for row in shown[2:])
    assert [move["on_behalf_of"] for move in moves] == [row.data["for"] for row in shown]


def test_where_nothing_before_was_live_the_way_forward_is_named_and_what_never_was_is_not_discarded(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*arguments: str, code: int = 0) -> str:
        with pytest.raises(SystemExit) as ended:
            main([*arguments])
        assert ended.value.code == code
        spoken = capsys.readouterr()
        return " ".join((spoken.err or spoken.out).split())

    kb = write_kb(home, "forth", PAGES)
    assert refresh_once(kb, None, None, quiet=True)["promoted"]
    (kb.folder / "documents" / "alarm.md").unlink()
    assert refresh_once(kb, None, None, quiet=True)["release"] == 2
    capsys.readouterr()
    assert said("promote", kb.name, "--release", "1") == "release 1 is live (before: 2, a rollback)"
    assert said("rollback", kb.name, code=1) == "error: forth: no release before 1 was live; expected one to roll back to; forward again, or to another: kb promote forth --release N"
    assert said("promote", kb.name, "--release", "2") == "release 2 is live (before: 1)"
    assert "forth: release 99 does not exist" in said("discard", kb.name, "--release", "99", code=1)


def test_a_check_names_its_report_its_limits_and_the_page_that_explains_it(kb: KnowledgeBase) -> None:
    with open_instance(session.settings()) as instance:
        for gate, page in (("churn", "docs/configure-a-knowledge-base.md#churn"), ("golden_retrieval", "docs/evaluate.md")):
            key = dg.AssetCheckKey(dg.AssetKey([kb.name, "release_candidate"]), gate)
            (record,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
            assert record.event is not None and record.event.dagster_event is not None
            said = record.event.dagster_event.asset_check_evaluation_data.metadata
            assert (said["limits"].value, said["explained in"].value) == (str(kb.folder / "defs.yaml"), page)
            assert str(said["report"].value).startswith(f"kb report {kb.name}")
    root = Path(__file__).parents[2]
    assert "### Churn\n" in (root / "docs" / "configure-a-knowledge-base.md").read_text() and (root / "docs" / "evaluate.md").is_file()


def test_what_is_materialized_by_hand_runs_as_the_jobs_do(kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch) -> None:
    def executors(*names: str) -> set[str]:
        beside = dg.Definitions.merge(runs_by_hand(), dg.Definitions(resources={"platform": Platform()}))
        found = load_what_loads(kb.folder, beside)
        return {found.resolve_implicit_global_asset_job_def().executor_def.name, *(found.resolve_job_def(f"{kb.name}_{name}").executor_def.name for name in names)}

    assert executors("ingest", "embed", "release") == {"in_process"}
    monkeypatch.setenv("KB_STEPS", "processes")
    assert executors("embed") == {"step_processes"}


def test_an_ingest_that_somebody_launches_is_followed_although_the_schedule_is_off(kb: KnowledgeBase) -> None:
    repository = definitions_of(kb).get_repository_def()
    status = {sensor.name.removeprefix(f"{kb.name}_"): sensor.default_status for sensor in repository.sensor_defs}
    assert {status["after_success"], status["after_failure"]} == {dg.DefaultSensorStatus.RUNNING}
    assert status["embed_again"] == dg.DefaultSensorStatus.STOPPED
    with dg.DagsterInstance.ephemeral() as instance:
        for tags, follows in (({"dagster/partition": "2026-03-01"}, True), ({"dagster/partition": "2026-03-01", "kb/alone": "yes"}, False)):
            run = instance.create_run_for_job(repository.get_job(f"{kb.name}_ingest"), tags=tags, status=dg.DagsterRunStatus.SUCCESS)
            event = dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name)
            context = dg.build_run_status_sensor_context("after", event, instance, run)
            said = repository.get_sensor_def(f"{kb.name}_after_success")(context)
            asked = [(said.job_name, said.tags["dagster/partition"])] if isinstance(said, dg.RunRequest) else []
            assert asked == ([(f"{kb.name}_embed", "2026-03-01")] if follows else [])
    assert {schedule.default_status for schedule in repository.schedule_defs} == {dg.DefaultScheduleStatus.STOPPED}
