"""Reports on real releases: stored with them, shown by the commands and in Dagster's pages, recomputed by a TREC tool."""

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import dagster as dg
import ir_measures
import pytest
import yaml
from typer.testing import CliRunner

from kb_platform.cli import app, session
from kb_platform.cli.refreshing import refresh_once
from kb_platform.knowledge.errors import ConfigError, StateError
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.local.dagster_home import open_instance
from kb_platform.storage.releases import discard
from kb_platform_tests.flow.conftest import write_kb

ANSWERS = {
    "cold": ("wards/fridge.md", "Vaccines are kept between two and eight degrees.", "How cold are vaccines kept?"),
    "alarm": ("wards/fridge.md", "Call extension 4410 when the alarm sounds.", "Whom do I call when the fridge alarm sounds?"),
    "login": ("it/login.md", "A forgotten password is reset at the service desk.", "Where is a forgotten password reset?"),
    "visits": ("wards/visits.txt", "Visitors may stay until eight in the evening.", "Until when may visitors stay?"),
}
FILES = {
    "wards/fridge.md": "# Fridge\n\nVaccines are kept between two and eight degrees.\n\nCall extension 4410 when the alarm sounds.\n",
    "it/login.md": "# Login\n\nA forgotten password is reset at the service desk.\n",
    "wards/visits.txt": "Visitors may stay until eight in the evening.\n",
}

pytestmark = pytest.mark.random_order(disabled=True)  # the last ones discard and collect what the others show


def write_goldens(kb: KnowledgeBase, ids: list[str]) -> None:
    goldens = [
        {"id": name, "question": ANSWERS[name][2], "slices": ["wards" if "wards" in ANSWERS[name][0] else "it"],
         "expected": [{"document": ANSWERS[name][0], "quote": ANSWERS[name][1]}]} for name in ids
    ]
    (kb.folder / "golden").mkdir(exist_ok=True)
    (kb.folder / "golden" / "golden.yaml").write_text(yaml.safe_dump({"version": 1, "goldens": goldens}))


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, [*arguments])
    if isinstance(done.exception, (StateError, ConfigError)):
        raise done.exception
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return done.exit_code, done.stdout


def as_json(*arguments: str) -> tuple[int, dict[str, Any]]:
    code, out = run(*arguments, "--json")
    return code, json.loads(out)


@pytest.fixture(scope="module")
def kb(home: Path) -> KnowledgeBase:
    """Return a knowledge base with a retired release, a live one that added a document, and a bad one that was stopped."""
    made = write_kb(home, "reported", FILES, gate={"floors": {"all": 0.5}})
    write_goldens(made, list(ANSWERS))
    documents = made.folder / "documents"
    assert refresh_once(made, "2026-03-01", None, quiet=True)["promoted"]
    (documents / "it" / "printer.md").write_text("# Printer\n\nToner is in the cupboard beside the lift.\n")
    assert refresh_once(made, "2026-03-02", None, quiet=True)["promoted"]
    (documents / "wards" / "fridge.md").write_text("# Fridge\n\nVaccines are kept between two and eight degrees.\n")
    (documents / "it" / "login.md").write_text("# Login\n\nSee the intranet.\n")
    (documents / "wards" / "visits.txt").unlink()
    assert not refresh_once(made, "2026-03-03", None, quiet=True)["promoted"]
    return made


def test_a_judged_release_has_its_report(kb: KnowledgeBase, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    code, report = as_json("report", kb.name, "--release", "2", "--html", str(page))
    assert (code, report["version"], report["verdict"], report["compared_with"]) == (0, 2, "pass", 1)
    assert report["changes"] == {"documents_new": 1, "documents_changed": 0, "documents_deleted": 0, "rows_inserted": 1, "rows_closed": 0}
    assert {line["gate"] for line in report["gates"]} >= {"coverage", "golden_retrieval"}
    assert report["golden"]["query_scores"]["queries"] == sorted(ANSWERS)
    assert [(r["release"], r["live"], r["not_comparable"]) for r in report["history"]] == [(1, False, None), (2, True, None), (3, False, None)]
    assert "No golden is answered better or worse than on release 1" in page.read_text()
    assert f"{kb.name}, release 3: verdict {report['history'][2]['verdict']}" in run("report", kb.name)[1]


@pytest.mark.parametrize(("release", "slice_line"), [(1, "all 4 1.000"), (2, "all 4 1.000"), (3, "all 1 1.000")])
def test_a_report_is_shown_with_and_without_a_release_to_compare_with(kb: KnowledgeBase, release: int, slice_line: str) -> None:
    code, told = run("report", kb.name, "--release", str(release))
    assert code == 0
    assert any(" ".join(line.split()).startswith(slice_line) for line in told.splitlines()), told


def test_dagster_plots_the_figures_and_lists_the_releases(kb: KnowledgeBase) -> None:
    with open_instance(session.settings()) as instance:
        observed = instance.fetch_observations(dg.AssetKey([kb.name, "release_candidate"]), limit=5).records
        metadata = [record.asset_observation.metadata for record in observed if record.asset_observation]
        assert [entry["release"].value for entry in metadata] == [3, 2, 1]
        assert (metadata[1]["Success@5/all"].value, metadata[1]["nDCG@10/it"].value) == (1.0, 1.0)
        encoded = str(metadata[1]["figures"].value).partition("base64,")[2].rstrip(")")
        assert b64decode(encoded).startswith(b"\x89PNG") and len(encoded) < 60_000
        event = instance.get_latest_materialization_event(dg.AssetKey([kb.name, "promoted_release"]))
        assert event is not None and event.asset_materialization is not None
        table = event.asset_materialization.metadata["history"]
        assert isinstance(table, dg.TableMetadataValue)
        assert [(row.data["release"], row.data["status"], bool(row.data["by"])) for row in table.records] == [(2, "live", True), (1, "retired", True)]


def test_releases_are_compared_by_todays_goldens_and_figures_of_other_goldens_are_not_shown(kb: KnowledgeBase, tmp_path: Path) -> None:
    page = tmp_path / "compared.html"
    code, same = as_json("compare", kb.name, "1", "2")
    assert (code, same["verdict"], same["golden"]["compared"]) == (0, "pass", 4)
    assert [release["metrics"]["Success@5"] for release in same["stored"]] == [1.0, 1.0]
    write_goldens(kb, ["cold", "login"])
    try:
        code, fresh = as_json("compare", kb.name, "1", "2", "--html", str(page))
    finally:
        write_goldens(kb, list(ANSWERS))
    assert (code, fresh["golden"]["compared"]) == (0, 2)
    assert [release["metrics"] for release in fresh["stored"]] == [None, None]
    assert "not comparable: other golden queries" in fresh["stored"][0]["not_comparable"]
    assert page.read_text().count("not comparable</td>") == 3


def test_a_worse_release_is_told_by_the_exit_code(kb: KnowledgeBase) -> None:
    code, told = run("compare", kb.name, "2", "3")
    assert code in (3, 4)
    assert "as the golden gate would say it, with release 2 as the live one" in told


def test_a_trec_tool_finds_the_stored_figures_in_the_written_files(kb: KnowledgeBase, tmp_path: Path) -> None:
    files = (str(tmp_path / "goldens.run"), str(tmp_path / "goldens.qrels"))
    code, evaluated = as_json("evaluate", kb.name, "--run-out", files[0], "--qrels-out", files[1])
    measures = [ir_measures.parse_measure(name) for name in evaluated["metrics"]]
    qrels, ranking = list(ir_measures.read_trec_qrels(files[1])), list(ir_measures.read_trec_run(files[0]))
    recomputed = {str(measure): value for measure, value in ir_measures.calc_aggregate(measures, qrels, ranking).items()}
    stored = as_json("report", kb.name, "--release", "2")[1]["golden"]
    assert code == 0
    assert recomputed == pytest.approx(stored["metrics"], abs=1e-12)
    table = stored["query_scores"]
    for value in ir_measures.iter_calc(measures, qrels, ranking):
        row = table["rows"][table["candidate"][table["queries"].index(value.query_id)]]
        assert value.value == row[table["measures"].index(str(value.measure))]


def test_a_file_that_cannot_be_written_is_one_clear_error(kb: KnowledgeBase, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        run("report", kb.name, "--html", str(tmp_path / "no" / "report.html"))


def test_a_report_of_the_first_shape_is_put_together_from_the_verdicts(kb: KnowledgeBase) -> None:
    with session.store(kb.name).database.transaction("gate") as c:
        c.execute("update release set report = '{\"coverage\": {}}' where release_id = 3")
    _, report = as_json("report", kb.name, "--release", "3")
    assert (report["version"], report["golden"]["compared_with"], report["changes"]) == (2, 2, None)


def test_releases_whose_content_is_not_all_there_are_not_compared(kb: KnowledgeBase) -> None:
    with pytest.raises(ConfigError, match="compared with itself"):
        run("compare", kb.name, "1", "1")
    with session.store(kb.name).database.transaction("owner") as c:
        c.execute("update gc_horizon set release_id = 2")
    with pytest.raises(StateError, match="the rows of release 1 were collected"):
        run("compare", kb.name, "1", "2")
    with session.store(kb.name).database.transaction("writer") as c:
        c.execute("update release set status = 'building', content_digest = null where release_id = 3")
    with pytest.raises(StateError, match="release 3 is not sealed"):
        run("compare", kb.name, "2", "3")
    with pytest.raises(StateError, match="release 3 was not judged"):
        run("report", kb.name, "--release", "3")
    discard(session.store(kb.name).database, 3)
    with pytest.raises(StateError, match="release 3 was discarded"):
        run("compare", kb.name, "2", "3")
