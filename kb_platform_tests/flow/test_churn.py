"""A delivery that removes or changes much of a source stops, and goes on only where a person says that it is meant."""

import json
from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest
import yaml

from kb_platform.cli import app, session
from kb_platform.cli.refreshing import refresh_once
from kb_platform.knowledge.errors import ConfigError
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.local.dagster_home import open_instance
from kb_platform.storage.database import Database
from kb_platform.storage.releases import live_release
from kb_platform.storage.review_cases import list_cases
from kb_platform_tests.flow.steps import refresh_by_steps

MakeKb = Callable[..., KnowledgeBase]
Run = Callable[..., tuple[int, str]]
NAMES = ("alarm", "badge", "cradle", "dialysis", "entrance", "fridge", "garden", "hoist", "incubator")
PAGES = {f"{name}.md": f"# {name}\n\nThe {name} is checked by the porter on Mondays, and by nobody on other days.\n" for name in NAMES}
REASON = "the wards have moved to the new building"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = app([*arguments], standalone_mode=False) or 0
        return code, " ".join(capsys.readouterr().out.split())

    return command


def database(kb: KnowledgeBase) -> Database:
    """Return it anew: a command closes its connections."""
    return session.store(kb.name).database


def drop_all_but(kb: KnowledgeBase, *kept: str) -> None:
    for name in set(NAMES) - {*kept}:
        (kb.folder / "documents" / f"{name}.md").unlink(missing_ok=True)


def test_a_delivery_that_deletes_nearly_all_stops_until_a_person_accepts_it_on_record(make_kb: MakeKb, run: Run) -> None:
    kb = make_kb(PAGES)
    assert refresh_by_steps(kb, kb.today().isoformat()).promoted
    drop_all_but(kb, "alarm")
    code, shown = run("refresh", kb.name)
    assert (code, live_release(database(kb))) == (4, 1)
    assert "docs: of 9 documents 8 removed (89%, such as badge.md, cradle.md, dialysis.md), more than 15%" in shown
    assert f"if that is meant: kb refresh {kb.name} --accept-churn REASON, or a reviewer decides: kb review list {kb.name}" in shown
    (case,) = list_cases(database(kb), ["open"])
    assert (case.kind, case.subject) == ("churn_over_limit", "churn")
    for arguments, complaint in ((("--accept-churn", " "), "without a reason"), (("--by", "me"), "--by without --accept-churn"),
                                 (("--accept-churn", REASON, "--by", " "), "a person's name")):
        with pytest.raises(ConfigError, match=complaint):
            run("refresh", kb.name, *arguments)

    code, shown = run("refresh", kb.name, "--accept-churn", REASON, "--by", "head.nurse")
    assert (code, live_release(database(kb))) == (0, 2)
    assert "gate churn: pass, accepted by head.nurse" in shown
    newest = json.loads(run("releases", kb.name, "--json")[1])["releases"][0]
    (accepted,) = newest["accepted"]
    assert (accepted["gate"], accepted["reviewer"], accepted["reason"], accepted["review_id"]) == ("churn", "head.nurse", REASON, "")
    assert f"churn (inconclusive) accepted by head.nurse: {REASON} [kb refresh --accept-churn]" in run("releases", kb.name)[1]
    assert [c.state for c in list_cases(database(kb), ["open", "withdrawn"])] == ["withdrawn"]
    with database(kb).transaction("gate") as c:
        rows = c.execute("select verdict, evidence -> 'accepted', encode(content_digest, 'hex') from judgement where release_id = 2 and gate = 'churn' order by id").fetchall()
    assert [row[0] for row in rows] == ["inconclusive", "pass"], "the first verdict stays on record"
    assert rows[1][1] == {"by": "head.nurse", "reason": REASON, "at": accepted["at"].replace(" ", "T").replace("+00:00", "Z"), "digest": newest["digest"], "against": 1}
    assert "churn by head.nurse" in json.loads(run("report", kb.name, "--json")[1])["history"][-1]["accepted"]


def test_the_check_and_the_promoted_release_say_who_accepted(make_kb: MakeKb, run: Run) -> None:
    kb = make_kb(PAGES)
    assert refresh_by_steps(kb, kb.today().isoformat()).promoted
    drop_all_but(kb, "alarm")
    assert run("refresh", kb.name, "--accept-churn", REASON, "--by", "head.nurse")[0] == 0, "before it was stopped, too"
    with open_instance(session.settings()) as instance:
        (record,) = instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(dg.AssetKey([kb.name, "release_candidate"]), "churn"), limit=1)
        assert record.event is not None and record.event.dagster_event is not None
        check = record.event.dagster_event.asset_check_evaluation_data
        event = instance.get_latest_materialization_event(dg.AssetKey([kb.name, "promoted_release"]))
        assert (check.passed, check.metadata["accepted_by"].value) == (True, "head.nurse")
        assert REASON in str(check.metadata["reasons"].value)
        assert event is not None and event.asset_materialization is not None
        (row,) = event.asset_materialization.metadata["accepted"].records  # pyright: ignore[reportAttributeAccessIssue]
        assert (row.data["gate"], row.data["reviewer"], row.data["reason"]) == ("churn", "head.nurse", REASON)
    run("refresh", kb.name)
    assert "nothing had to be accepted" in run("refresh", kb.name, "--accept-churn", REASON)[1]


def test_what_was_accepted_is_one_candidate_and_no_later_one(make_kb: MakeKb) -> None:
    kb = make_kb(PAGES)
    golden = {"id": "one", "question": "Who checks the badge?", "expected": [{"document": "badge.md", "quote": "The badge is checked by the porter on Mondays"}]}
    (kb.folder / "golden").mkdir()
    (kb.folder / "golden" / "golden.yaml").write_text(yaml.safe_dump({"version": 1, "goldens": [golden]}))
    assert refresh_by_steps(kb, kb.today().isoformat()).promoted

    def churn(**tags: Any) -> tuple[str, str | None, bool]:
        report = refresh_once(kb, None, None, quiet=True, **tags)
        return report["gates"]["churn"]["verdict"], report["gates"]["churn"]["accepted_by"], report["promoted"]

    drop_all_but(kb, "alarm", "cradle")
    accepting = {"tags": {"kb/accept_churn": REASON, "kb/accepted_by": "head.nurse"}}
    assert churn(**accepting) == ("pass", "head.nurse", False), "the golden gate stops it all the same"
    assert churn() == ("pass", "head.nurse", False), "the same content"
    drop_all_but(kb, "alarm")
    assert churn() == ("inconclusive", None, False), "other content"


def test_only_what_a_reader_can_find_counts_as_a_change(make_kb: MakeKb) -> None:
    source = {"name": "docs", "kind": "jsonl", "path": "documents", "searchable": ["synonyms"]}
    kb = make_kb({"documents.jsonl": ""}, sources=[source], gate={"min_churn_documents": 1})

    def delivered(**fields: Any) -> dict[str, Any]:
        rows = [{"doc_id": name, "title": name, "text": f"The {name} is checked on Mondays.", "synonyms": ["thing"], "seen": 1} | fields for name in NAMES]
        (kb.folder / "documents" / "documents.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return refresh_once(kb, None, None, quiet=True)

    assert delivered()["promoted"]
    stamped = delivered(seen=2)
    assert (stamped["promoted"], stamped["documents"]["changed"], stamped["gates"]["churn"]["metric"]) == (True, 9, 0)
    renamed = delivered(seen=2, synonyms=["object"])
    assert not renamed["promoted"]
    assert renamed["gates"]["churn"]["reasons"] == ["docs: of 9 documents 9 changed (100%), more than 15%"]


def test_one_long_document_that_arrives_cut_short_is_seen_by_its_chunks(make_kb: MakeKb) -> None:
    sections = [f"## Room {n}\n\n" + f"Room {n} is cleaned by team {n % 7} at {n % 12} o'clock, as sheet {n} says. " * 12 for n in range(70)]
    kb = make_kb({"manual.md": "\n\n".join(sections), "short.md": "# Short\n\nCall the porter.\n"})
    assert refresh_once(kb, None, None, quiet=True)["chunks"]["total"] > 70
    (kb.folder / "documents" / "manual.md").write_text("\n\n".join(sections[:10]))
    report = refresh_once(kb, None, None, quiet=True)
    assert not report["promoted"]
    (reason,) = report["gates"]["churn"]["reasons"]
    assert " chunks " in reason, "one document is too few to count"
