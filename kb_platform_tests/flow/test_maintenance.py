"""Maintenance through the command and through Dagster: what `kb gc` says, what the pages show, what a refresh does after it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from kb_platform.cli import main, session
from kb_platform.cli.refreshing import refresh_once
from kb_platform.components.loading import load_knowledge_bases
from kb_platform.knowledge.errors import ConfigError
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.retention import Retention
from kb_platform.local.dagster_home import open_instance
from kb_platform.storage.releases import live_release
from kb_platform.storage.turns import taking_turns
from kb_platform_tests.flow.steps import refresh_by_steps
from kb_platform_tests.flow.test_commands import kb as command
from kb_platform_tests.flow.test_refresh import FILES, edit, rows

MakeKb = Callable[..., KnowledgeBase]
KEEP_TWO = {"keep_releases": 2, "keep_days": 0, "derived_days": 7, "judged_days": 90, "dead_share": 0.3}

GOLDEN = """version: 1
goldens:
  - {id: g1, question: how cold must vaccines be, slices: [lookup],
     expected: [{document: pharmacy/fridge.md, quote: Vaccines are kept between two and eight degrees.}]}
"""


def aged(kb: KnowledgeBase, releases: int) -> None:
    """Refresh so many times, with another text each."""
    for n in range(releases):
        edit(kb, "wards/visits.txt", f"Visitors of ward {n} may stay until {n} in the evening.\n")
        assert refresh_by_steps(kb, f"2026-03-{n + 1:02}").promoted == n + 1


def said(kb: KnowledgeBase, *options: str) -> dict[str, Any]:
    done = command("gc", kb.name, "--json", *options)
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return what a command says that fails, without a process of its own."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == 1
    return " ".join(capsys.readouterr().err.split())


def test_the_command_does_what_its_dry_run_said_as_a_run_of_dagster(make_kb: MakeKb, capsys: pytest.CaptureFixture[str]) -> None:
    kb = make_kb(FILES, retention=KEEP_TWO)
    aged(kb, 5)
    state = "select count(*), max(valid_to) from chunk where valid_to <> 2147483647 union all select release_id, null from gc_horizon"
    before = rows(kb, state)
    planned = said(kb, "--dry-run")
    assert rows(kb, state) == before
    done = said(kb)
    same = ("horizon_before", "horizon", "rows", "files", "spaces", "indexes", "dead_share", "kept")
    assert {key: planned[key] for key in same} == {key: done[key] for key in same}
    assert (done["horizon"], done["rows"]["chunks"], len(done["indexes"])) == (4, 3, 1)
    assert [k["release"] for k in done["kept"]] == [4, 5]
    with open_instance(session.settings()) as instance:
        run = instance.get_run_by_id(done["run"])
        assert run is not None
        assert run.status is dg.DagsterRunStatus.SUCCESS
        event = instance.get_latest_materialization_event(dg.AssetKey([kb.name, "maintenance"]))
        assert event is not None
        shown = event.asset_materialization.metadata
    assert (shown["horizon"].value, shown["deleted/chunks"].value) == (4, 3)
    measured = [record.data for record in shown["sizes"].records]
    assert {"chunk_" + done["indexes"][0] + "_hnsw_1"} <= {size["index"] for size in measured}
    assert sum(size["bytes"] for size in measured) == done["bytes"]["tables"] + done["bytes"]["indexes"]
    assert "release 1 cannot be promoted: its rows were collected" in refused(capsys, "rollback", kb.name, "--release", "1")
    (kb.folder / "golden").mkdir()
    (kb.folder / "golden" / "golden.yaml").write_text(GOLDEN)
    for words in (("search", kb.name, "visitors", "--release", "2"), ("compare", kb.name, "2", "5"), ("evaluate", kb.name, "--release", "2")):
        why = refused(capsys, *words)
        assert "2" in why
        assert "were collected" in why
    edit(kb, "wards/visits.txt", "Visitors may stay until eight in the evening.\n")  # a text that was there before all
    after = refresh_once(kb, "2026-03-09", None, quiet=True)
    assert (after["promoted"], after["release"]) == (True, 6), after
    assert "horizon" in command("gc", kb.name).stdout


def test_a_refresh_that_writes_is_left_alone_and_the_command_says_so(make_kb: MakeKb) -> None:
    kb = make_kb(FILES, retention=KEEP_TWO)
    aged(kb, 4)
    done = taking_turns(lambda store: command("gc", kb.name, "--json"))(session.store(kb.name))
    assert done.returncode == 1
    assert "a refresh is writing" in json.loads(done.stdout)["found"]
    assert rows(kb, "select release_id from gc_horizon") == [(0,)]
    assert live_release(session.store(kb.name).database) == 4


def test_the_yaml_says_what_is_kept_and_when(make_kb: MakeKb) -> None:
    kb = make_kb(FILES, retention=KEEP_TWO, schedule={"maintenance": "30 6 * * *", "enabled": True})
    assert kb.retention == Retention(**KEEP_TWO)
    schedules = {s.name: s for s in load_knowledge_bases(kb.folder).schedules or ()}
    off_peak = schedules[f"{kb.name}_off_peak"]
    assert (off_peak.cron_schedule, off_peak.job_name, off_peak.default_status) == (
        "30 6 * * *", f"{kb.name}_maintenance", dg.DefaultScheduleStatus.RUNNING)
    assert make_kb(FILES, suffix="plain").retention == Retention()


@pytest.mark.parametrize(("retention", "words"), [
    ({"keep_releases": 0}, r"defs\.yaml:\d+: retention\.keep_releases: found 0; expected at least 1"),
    ({"dead_share": 1}, r"defs\.yaml:\d+: retention\.dead_share: .*less than 1"),
    ({"keep": 3}, r"defs\.yaml:\d+: retention\.keep: unknown field"),
])
def test_a_mistake_in_the_retention_is_named_with_its_line(make_kb: MakeKb, retention: dict[str, Any], words: str) -> None:
    kb = make_kb(FILES)
    path = Path(kb.folder) / "defs.yaml"
    body = yaml.safe_load(path.read_text())
    body["attributes"]["retention"] = retention
    path.write_text(yaml.safe_dump(body))
    with pytest.raises(ConfigError, match=words):
        session.knowledge_base(kb.name)
