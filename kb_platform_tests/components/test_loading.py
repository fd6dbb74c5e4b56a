"""A knowledge base that cannot be loaded: Dagster shows why in its place, `kb validate` says the same, and the others work."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml
from typer.testing import CliRunner

from kb_platform.cli import app, session
from kb_platform.components.loading import load_what_loads
from kb_platform.components.unloadable import SENSOR
from kb_platform.resources.platform import Platform
from kb_platform.settings import Settings

BESIDE = dg.Definitions(resources={"platform": Platform()})
WRONG = {
    "cron": ("schedule: {cron: '0 0 1W * *'}", ":9: schedule.cron: found '0 0 1W * *'; expected five fields of cron"),
    "unknown": ("colour: red", ":9: colour: unknown field"),
    "early": ("timezone: Nowhere/Land", ":9: timezone: 'Nowhere/Land' is no IANA time zone"),
    "brackets": ("search: " + "[" * 20_000, ":9: nested more than"),
    "laughs": ("owners: [&a [x, x], &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a], &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b], "
               "&d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c], &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d], [*e, *e, *e, *e, *e, *e, *e, *e, *e]]",
               "its aliases stand for, more than"),
    "itself": ("owners: &a [*a]", "its aliases stand for, more than"),
    "tag": ("owners: !!python/object/apply:os.system [ls]", ":9: could not determine a constructor for the tag"),
}


def written(defs: Path, folder: str, name: str = "", more: str = "") -> Path:
    path = defs / folder
    (path / "documents").mkdir(parents=True)
    body = {"name": name or folder, "start_date": "2026-01-01", "sources": [{"name": "docs", "kind": "files", "path": "documents"}]}
    text = yaml.safe_dump({"type": "kb_platform.components.KnowledgeBase", "attributes": body}, sort_keys=False)
    (path / "defs.yaml").write_text(text + (f"  {more}\n" if more else ""))
    return path


@pytest.fixture
def defs(tmp_path: Path) -> Iterator[Path]:
    written(tmp_path / "defs", "good")
    with session.use(Settings(home=tmp_path / "home", defs=tmp_path / "defs")):
        yield tmp_path / "defs"


def shown(defs: Path) -> dict[str, str]:
    """Return what the pages show: by the first part of its key, why it is not loaded, or nothing."""
    found = load_what_loads(defs, BESIDE)
    dg.Definitions.validate_loadable(found)
    return {spec.key.path[0]: spec.metadata.get("reason", "") for spec in found.resolve_all_asset_specs()}


def test_all_of_it_loads_where_nothing_is_wrong(defs: Path) -> None:
    assert shown(defs) == {"good": ""}
    assert SENSOR not in [sensor.name for sensor in load_what_loads(defs, BESIDE).sensors or ()]


@pytest.mark.parametrize("kind", WRONG)
def test_one_wrong_line_takes_one_knowledge_base_away_and_is_named(defs: Path, kind: str) -> None:
    more, reason = WRONG[kind]
    path = written(defs, "wrong", more=more) / "defs.yaml"
    found = shown(defs)
    assert set(found) == {"good", "wrong"}
    assert found["good"] == ""
    assert found["wrong"].startswith(f"{path}:") and reason in found["wrong"]
    validated = CliRunner().invoke(app, ["validate"])
    assert validated.exit_code == 1
    assert f"error: {found['wrong']}" in validated.output
    assert "good: valid" in validated.output


@pytest.mark.parametrize("text", ["", "text", "type: no.such.Thing", "- 1", "\x00", "a: [", "type: kb_platform.components.KnowledgeBase"])
def test_a_file_that_is_none_of_ours_is_named_too(defs: Path, text: str) -> None:
    (defs / "other").mkdir()
    (defs / "other" / "defs.yaml").write_text(text)
    found = shown(defs)
    assert found["good"] == ""
    assert found["other"].startswith(f"{defs}/other/defs.yaml:")


def test_a_copied_folder_leaves_the_original_alone(defs: Path) -> None:
    written(defs, "copied", name="good")
    found = shown(defs)
    assert found["good"] == ""
    assert "name: found 'good'; expected 'copied', as its folder is called" in found["copied"]


def test_of_two_that_collide_one_stays(defs: Path) -> None:
    written(defs / "archive", "good")
    assert shown(defs)["good"] == ""
    assert "good" in shown(defs)["archive_good"]


def test_the_check_of_what_does_not_load_fails_once_without_a_hand(defs: Path) -> None:
    written(defs, "wrong", more="colour: red")
    found = load_what_loads(defs, BESIDE)
    sensor = found.resolve_sensor_def(SENSOR)
    with dg.DagsterInstance.ephemeral() as instance:
        first = sensor(dg.build_sensor_context(instance))
        assert isinstance(first, dg.SensorResult)
        assert [(e.asset_key.path, e.passed) for e in first.asset_events if isinstance(e, dg.AssetCheckEvaluation)] == [(["wrong", "not_loaded"], False)]
        again = sensor(dg.build_sensor_context(instance, cursor=first.cursor))
        assert isinstance(again, dg.SensorResult)
        assert again.asset_events == []
    keys = found.resolve_asset_graph().asset_check_keys
    assert dg.AssetCheckKey(dg.AssetKey(["wrong", "not_loaded"]), "loads") in keys
