"""The main job on a real Postgres, with the real model, through the commands' own functions."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from kb_platform.cli import app, session
from kb_platform.cli.queries import make_retriever
from kb_platform.cli.refreshing import exit_code, refresh_once
from kb_platform.knowledge.errors import ConfigError, GateRefusal, StateError
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.storage.gates import GateResult, record_gate
from kb_platform.storage.releases import candidate, discard, get_release, live_release, promote, seal
from kb_platform.storage.review_cases import list_cases
from kb_platform_tests.flow.steps import refresh_by_steps

FRIDGE = "# Fridge\n\nVaccines are kept between two and eight degrees.\n\nCall extension 4410 when the alarm sounds.\n"
FILES = {
    "pharmacy/fridge.md": FRIDGE,
    "it/login.md": "# Login\n\nA forgotten password is reset at the service desk.\n",
    "wards/visits.txt": "Visitors may stay until eight in the evening.\n",
}
MakeKb = Callable[..., KnowledgeBase]


def refresh(kb: KnowledgeBase, day: str | None = None) -> dict[str, Any]:
    return refresh_once(kb, day, None, quiet=True)


def edit(kb: KnowledgeBase, path: str, text: str | None) -> None:
    target = kb.folder / "documents" / path
    target.unlink() if text is None else target.write_text(text)


def rows(kb: KnowledgeBase, statement: str) -> list[tuple]:
    with session.store(kb.name).database.transaction("owner") as c:
        return c.execute(statement).fetchall()


def test_a_first_refresh_promotes_and_says_that_there_are_no_goldens(make_kb: MakeKb) -> None:
    kb = make_kb(FILES)
    report = refresh(kb)
    assert (report["verdict"], report["promoted"], exit_code(report)) == ("pass", True, 0), report
    assert report["documents"] == {"new": 3, "changed": 0, "unchanged": 0, "deleted": 0, "failed": 0, "unreadable": 0}
    assert report["golden_gate"] is False
    retriever, live = make_retriever(kb, "reader", None)
    hit = retriever.search("how cold must vaccines be", live, k=1)[0]
    assert hit.doc_id == "pharmacy/fridge.md"
    assert FRIDGE.strip()[hit.start:hit.end] == hit.content


def test_a_refresh_with_nothing_changed_computes_and_writes_nothing(make_kb: MakeKb) -> None:
    kb = make_kb(FILES)
    first, before = refresh(kb), None
    before = rows(kb, "select id, xmin::text from chunk order by id")
    again = refresh(kb)
    assert again["vectors"] == {"computed": 0, "reused": 0, "left": 0}
    assert again["rows"] == {"inserted": 0, "closed": 0}
    assert (again["release"], again["promoted"], exit_code(again)) == (first["release"], True, 0)
    assert rows(kb, "select id, xmin::text from chunk order by id") == before


def test_an_edit_touches_the_rows_of_its_document_only(make_kb: MakeKb) -> None:
    kb = make_kb(FILES)
    refresh_by_steps(kb, "2026-03-01")
    others = "select id from chunk where doc_id <> 'pharmacy/fridge.md' and valid_to = 2147483647 order by id"
    before = rows(kb, others)
    edit(kb, "pharmacy/fridge.md", FRIDGE.replace("4410", "4411"))
    edit(kb, "it/login.md", None)
    edit(kb, "it/badge.md", "# Badge\n\nBadges are printed at the front desk.\n")
    report = refresh(kb, "2026-03-02")
    assert report["documents"] == {"new": 1, "changed": 1, "unchanged": 1, "deleted": 1, "failed": 0, "unreadable": 0}
    assert report["vectors"]["computed"] <= 3
    assert set(before) - set(rows(kb, others)) == set(rows(kb, "select id from chunk where doc_id = 'it/login.md'"))
    retriever, live = make_retriever(kb, "reader", None)
    assert all(hit.doc_id != "it/login.md" for hit in retriever.search("forgotten password", live, k=10))
    assert any(hit.doc_id == "it/login.md" for hit in retriever.search("forgotten password", report["release"] - 1, k=10))


def test_a_day_that_is_run_again_has_the_same_digest_after_a_discard(make_kb: MakeKb) -> None:
    kb = make_kb(FILES)
    refresh_by_steps(kb, "2026-03-01")
    database = session.store(kb.name).database
    edit(kb, "wards/visits.txt", "Visitors may stay until nine in the evening.\n")
    second = refresh_by_steps(kb, "2026-03-02").promoted
    assert second
    digest = get_release(database, second).content_digest
    promote(database, second - 1)
    discard(database, second)
    again = refresh(kb, "2026-03-02")
    assert again["release"] == second + 1
    assert again["vectors"]["computed"] == 0
    assert get_release(database, again["release"]).content_digest == digest


def test_a_closed_day_is_not_captured_again(make_kb: MakeKb) -> None:
    kb = make_kb(FILES)
    refresh_by_steps(kb, "2026-03-02")
    edit(kb, "wards/visits.txt", "Visits have ended for good.\n")
    report = refresh(kb, "2026-03-01")
    assert report["rows"] == {"inserted": 0, "closed": 0}
    assert refresh(kb, "2026-03-02")["documents"]["changed"] == 1


def test_a_source_that_is_gone_is_an_error_and_deletes_nothing(make_kb: MakeKb) -> None:
    kb = make_kb(FILES)
    refresh_by_steps(kb, kb.today().isoformat())
    folder = kb.folder / "documents"
    folder.rename(kb.folder / "elsewhere")
    report = refresh(kb)
    assert exit_code(report) == 1
    assert (report["live_release"], report["verdict"], report["gates"]) == (1, None, {}), "what live was judged to be is no verdict of this refresh"
    assert next(iter(report["errors"].values())).startswith(f"{folder}: no such folder; expected a folder of documents")
    assert report["documents"]["deleted"] == 0


def test_a_failing_source_stops_neither_the_other_nor_its_release(make_kb: MakeKb) -> None:
    sources = [{"name": "docs", "kind": "files", "path": "documents"}, {"name": "lost", "kind": "files", "path": "nowhere"}]
    kb = make_kb(FILES, sources=sources)
    report = refresh(kb)
    assert exit_code(report) == 1
    assert (report["documents"]["new"], report["promoted"]) == (3, True)


GOLDEN = """version: 1
goldens:
  - id: g1
    question: how cold must vaccines be
    slices: [lookup]
    expected: [{document: pharmacy/fridge.md, quote: Vaccines are kept between two and eight degrees}]
"""


def test_a_bad_delivery_is_caught_and_the_pointer_stays(make_kb: MakeKb) -> None:
    kb = make_kb(FILES, gate={"floors": {"all": 0.9}})
    (kb.folder / "golden").mkdir()
    (kb.folder / "golden" / "golden.yaml").write_text(GOLDEN)
    good = refresh(kb, "2026-03-01")
    assert good["gates"]["golden_retrieval"]["verdict"] == "pass"
    edit(kb, "pharmacy/fridge.md", "This page has moved.\n")
    bad = refresh(kb, "2026-03-02")
    database = session.store(kb.name).database
    assert exit_code(bad) in (3, 4)
    assert ("stale_golden", "g1") in {(case.kind, case.subject) for case in list_cases(database, ["open"])}
    assert live_release(database) == good["release"] != bad["release"]
    with pytest.raises(GateRefusal, match=r"golden_retrieval.*see `kb report"):
        promote(database, bad["release"])
    with pytest.raises(StateError, match="never promoted"):
        make_retriever(kb, "reader", bad["release"])
    edit(kb, "pharmacy/fridge.md", FRIDGE)
    fixed = refresh(kb, "2026-03-03")
    assert (fixed["release"], fixed["promoted"]) == (bad["release"], True)
    assert not list_cases(database, ["open"])


def test_materializing_the_pointer_by_hand_is_refused_in_a_sentence(make_kb: MakeKb) -> None:
    from kb_platform.cli.runs import run_assets

    kb = make_kb(FILES, gate={"floors": {"all": 0.9}})
    (kb.folder / "golden").mkdir()
    (kb.folder / "golden" / "golden.yaml").write_text(GOLDEN.replace("how cold", "zzz").replace("Vaccines are kept", "Nothing is kept"))
    refresh_by_steps(kb, "2026-03-01")
    failures = run_assets(session.settings(), kb, ["promoted_release"]).failures
    assert any("cannot be promoted" in message and "golden_retrieval" in message for message in failures.values()), failures


def test_the_database_refuses_the_owner_too(make_kb: MakeKb) -> None:
    kb = make_kb(FILES)
    first = refresh_by_steps(kb, "2026-03-01").promoted
    edit(kb, "wards/visits.txt", "Visitors may stay until nine.\n")
    database = session.store(kb.name).database
    record = candidate(database)
    assert record is None
    for statement in (
        "truncate active", "delete from active", "delete from release", "update release set gates_passed = 9",
        f"delete from chunk where valid_from = {first}", "update chunk set valid_to = 5",
        "update judgement set verdict = 'regression'", "update release set required_gates = '{coverage}'",
        f"insert into chunk select * from chunk where valid_from = {first}",
    ):
        with pytest.raises(psycopg.Error), database.transaction("owner") as c:
            c.execute(statement)


def test_a_reader_sees_nothing_of_a_candidate(make_kb: MakeKb) -> None:
    kb = make_kb(FILES, gate={"floors": {"all": 1.0}})
    refresh_by_steps(kb, "2026-03-01")
    database = session.store(kb.name).database
    (kb.folder / "golden").mkdir()
    (kb.folder / "golden" / "golden.yaml").write_text(GOLDEN.replace("Vaccines are kept", "Never written"))
    edit(kb, "wards/visits.txt", "A secret of the candidate.\n")
    refresh_by_steps(kb, "2026-03-02")
    with database.transaction("reader") as c:
        assert not c.execute("select 1 from chunk where content like '%secret%'").fetchall()
    with database.transaction("owner") as c:
        assert c.execute("select 1 from chunk where content like '%secret%'").fetchall()
    for statement in ("insert into active (release_id) values (2)", "select * from vector", "update chunk set valid_to = 1"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), database.transaction("reader") as c:
            c.execute(statement)


def test_a_verdict_about_other_content_is_refused(make_kb: MakeKb) -> None:
    kb = make_kb(FILES, gate={"floors": {"all": 1.0}})
    (kb.folder / "golden").mkdir()
    (kb.folder / "golden" / "golden.yaml").write_text(GOLDEN.replace("Vaccines are kept", "Never written"))
    release = refresh_by_steps(kb, "2026-03-01").sealed.release
    assert release
    database = session.store(kb.name).database
    digest = seal(database, release, get_release(database, release).required_gates)
    with pytest.raises(StateError, match=r"the verdict is about other content than what is sealed.*kb releases"):
        record_gate(database, release, b"other" + digest, GateResult("golden_retrieval", True, "pass", 1, 1, {}), "x")


def test_a_typo_in_the_yaml_names_field_file_and_line(make_kb: MakeKb, home: Path) -> None:
    kb = make_kb(FILES)
    path = kb.folder / "defs.yaml"
    path.write_text(path.read_text().replace("start_date", "start_dat"))
    with pytest.raises(ConfigError, match=r"defs\.yaml:\d+: start_dat: unknown field"):
        session.knowledge_base(kb.name)


def test_a_mistake_in_the_yaml_of_another_knowledge_base_is_not_in_the_way(make_kb: MakeKb) -> None:
    kb, other = make_kb(FILES), make_kb(FILES, suffix="other")
    (other.folder / "defs.yaml").write_text("type: kb_platform.components.KnowledgeBase\nattributes: {nam: x}\n")
    assert refresh(kb)["promoted"]


def test_files_that_cannot_be_used_are_reported_and_the_rest_is_live(make_kb: MakeKb) -> None:
    sources = [{"name": "docs", "kind": "files", "path": "documents"}, {"name": "scans", "kind": "files", "path": "scans"}]
    kb = make_kb(FILES | {f"more/{n}.md": f"# Note {n}\n\nRoom {n} is cleaned daily.\n" for n in range(20)}, sources=sources)
    (kb.folder / "scans").mkdir()
    (kb.folder / "documents" / "empty.md").write_text("")
    for name in ("beds", "wards"):
        (kb.folder / "documents" / f"{name}.csv").write_text("room,beds\n7,4\n")
    (kb.folder / "scans" / "broken.pdf").write_bytes(b"%PDF-1.4\n% cut off")
    report = refresh(kb)
    assert report["promoted"]
    assert report["documents"]["failed"] == 2
    assert {f["source_object"] for f in report["failures"]} == {"empty.md", "broken.pdf"}
    assert report["unreadable_sources"] == {"scans": 1}
    assert report["skipped"] == [{"source": "docs", "reason": "no reader for .csv", "count": "2", "example": "beds.csv"}]


def test_documents_that_failed_earlier_are_counted_until_they_can_be_read(make_kb: MakeKb) -> None:
    kb = make_kb(FILES | {f"more/{n}.md": f"# Note {n}\n\nRoom {n} is cleaned daily.\n" for n in range(40)})
    broken = [kb.folder / "documents" / f"{name}.pdf" for name in ("first", "second")]
    for path in broken:
        path.write_bytes(b"%PDF-1.4\n% cut off")
    first = refresh(kb)
    assert (first["documents"]["failed"], first["documents"]["unreadable"]) == (2, 2), first
    second = refresh(kb)
    assert (second["documents"]["failed"], second["documents"]["unreadable"]) == (0, 2), second
    listed = CliRunner().invoke(app, ["review", "list", kb.name, "--json"])
    reasons = {case["subject"]: case["reason"] for case in json.loads(listed.stdout)["cases"]}
    assert set(reasons) == {"docs/first.pdf", "docs/second.pdf"} and all(reasons.values()), reasons
    broken[0].unlink()
    broken[1].rename(broken[1].with_suffix(".md")).write_text("# Second\n\nNow it can be read.\n")
    assert refresh(kb)["documents"]["unreadable"] == 0


def test_an_interrupted_step_ends_the_refresh_before_the_next_one(make_kb: MakeKb) -> None:
    from kb_platform.cli.runs import run_refresh

    kb = make_kb(FILES)

    def press_ctrl_c(doing: str, _done: int, _total: int | None) -> None:
        if doing == "documents read":
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_refresh(session.settings(), kb, [kb.today().isoformat()], ["docs"], press_ctrl_c)
    assert candidate(session.store(kb.name).database) is None
    assert refresh(kb)["promoted"]


def test_two_refreshes_of_one_day_at_once_end_with_the_digest_of_one(make_kb: MakeKb) -> None:
    import subprocess
    import sys

    from kb_platform.settings import inherited_environment

    kb = make_kb(FILES)
    chosen = session.settings()
    environment = inherited_environment({"KB_HOME": str(chosen.home), "KB_DEFS": str(chosen.defs), "KB_OBJECT_STORE": chosen.object_store})
    command = [sys.executable, "-c", "from kb_platform.cli import main; main()", "refresh", kb.name, "--json"]
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate(timeout=900) for process in both]
    assert live_release(session.store(kb.name).database) == 1, outputs
    digest = get_release(session.store(kb.name).database, 1).content_digest
    assert len(rows(kb, "select distinct content_hash from chunk")) == len(rows(kb, "select id from chunk"))
    again = refresh(kb)
    assert get_release(session.store(kb.name).database, again["release"]).content_digest == digest
    assert again["rows"] == {"inserted": 0, "closed": 0}
